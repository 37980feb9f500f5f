// Cuts text into the words that byte pairs never merge across: GPT-2's splitting pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// as a scanner. It matches at every position, so a text is its words, end to end.
#pragma once

#include <cstddef>
#include <string_view>

namespace sipo {

// The bytes of the word that starts at `at`, which lies inside `text`; `text` is valid UTF-8.
[[nodiscard]] std::size_t word_length(std::string_view text, std::size_t at);

}  // namespace sipo
