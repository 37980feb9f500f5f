// How much memory things will take, told before anything is allocated, and the limits on it.
#pragma once

#include <cstdint>
#include <string_view>

#include "format/container.hpp"
#include "session/session.hpp"

namespace sipo {

// Bytes of the weights of a container once opened, packed for the backend: within some percent of
// OpenModel's own count. The tokenizer and the calibration come on top.
[[nodiscard]] std::int64_t model_memory(const Container& container);

// Bytes of all that a session remembers: the recurrent state and the logits after the last token.
[[nodiscard]] std::int64_t remembered_memory(const OpenModel& model);

// The most bytes that a session allocates while it reads prompts of up to `prompt_tokens` tokens
// and generates: state, working memory of a chunk and, where the method drops tokens, the residual
// stream of the whole prompt.
[[nodiscard]] std::int64_t session_memory(const OpenModel& model, const SessionOptions& options,
                                          std::int64_t prompt_tokens);

// Throws Code::out_of_memory when `bytes` exceed a `limit` that is not 0.
void check_memory(std::string_view what, std::int64_t bytes, std::int64_t limit);

}  // namespace sipo
