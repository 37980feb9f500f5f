// Cuts text into the words that byte pairs never merge across. A tokenizer does so in steps, each of
// which cuts the pieces of the one before. Every rule matches at every position, so a text is its
// pieces, end to end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sipo {

enum class CutRule : std::uint8_t {
    // GPT-2's pattern 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
    words,
    punctuation,   // runs of punctuation, and what is between them
    digits,        // runs of \p{N}, and what is between them
    byte_digits,   // the same where each byte is the character of the byte alphabet
    digit_triples  // [0-9][0-9][0-9], and what is between them
};

// The bytes of the piece that starts at `at`, which lies inside `text` and where a piece before it
// ended; `text` is valid UTF-8, but for byte_digits and digit_triples, which cut between any bytes.
[[nodiscard]] std::size_t piece_length(CutRule rule, std::string_view text, std::size_t at);

}  // namespace sipo
