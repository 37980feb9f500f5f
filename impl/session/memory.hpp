// How much memory things will take, told before anything is allocated, and the limits on it. What is on
// a backend is told by the backend; these add it up, and what the host keeps.
#pragma once

#include <cstdint>
#include <string_view>

#include "format/container.hpp"
#include "session/session.hpp"

namespace sipo {

// The most bytes that a container's weights take once they are opened on that backend. The tokenizer
// and the calibration come on top, and while they are read a tensor a thread.
[[nodiscard]] std::int64_t model_memory(const Container& container,
                                        const backend::Backend& backend);

// Bytes of all that a session remembers: the recurrent state and the logits after the last token.
[[nodiscard]] std::int64_t remembered_memory(const OpenModel& model);
// What a session takes that shares another's working memory; while it generates, with any sampling.
[[nodiscard]] std::int64_t resting_memory(const OpenModel& model);
[[nodiscard]] std::int64_t generating_memory(const OpenModel& model);

// What a session is asked for at most.
struct Demand {
    std::int64_t tokens = 1;    // of a prompt
    std::int64_t logits = 1;    // at its end
    std::int64_t sessions = 1;  // that decode together with it
    std::int64_t results = 0;   // floats that are handed over when all are there
};

// The most bytes that a session allocates while it reads such prompts, one after the other, and
// generates: state, working memory of a chunk, and what the context method needs. `held`: room that
// its working memory has already.
[[nodiscard]] std::int64_t session_memory(const OpenModel& model, const SessionOptions& options,
                                          const Demand& demand, const Room& held = {});

// What reading a prompt takes beside the state: working memory of a chunk, and what the context method
// needs. `observed`: somebody looks on (prefill.hpp).
[[nodiscard]] std::int64_t prefill_memory(const OpenModel& model, const SessionOptions& options,
                                          std::int64_t tokens, bool observed);

// Throws Code::out_of_memory when `bytes` exceed a `limit` that is not 0.
void check_memory(std::string_view what, std::int64_t bytes, std::int64_t limit);

}  // namespace sipo
