// The vocabulary inside a GGUF file as a tokenizer.json.
#pragma once

#include <optional>
#include <string>

#include "import/gguf/gguf_file.hpp"

namespace sipo {

// Nothing where the file has no byte-level BPE ("tokenizer.ggml.model" gpt2 with GPT-2's or Falcon's
// way to cut text into words) of its own. Code::corrupt_file where it has a broken one.
[[nodiscard]] std::optional<std::string> gguf_tokenizer(const GgufFile& file);

// "gpt2 / olmo", for messages.
[[nodiscard]] std::string gguf_tokenizer_kind(const GgufFile& file);

}  // namespace sipo
