// The classes of characters that the splitting rules tell apart.
#pragma once

#include <cstdint>

namespace sipo {

// \p{L}, \p{N}, \s, and the rest, for the Unicode version of the utf8proc at hand. A character that
// this version does not know yet is `other`, as it is to any library of that version.
enum class CharKind : std::uint8_t { letter, number, space, other };

[[nodiscard]] CharKind kind_of(char32_t value);

// \s: the property White_Space.
[[nodiscard]] bool is_space(char32_t value);

// \p{P}, and ASCII's symbols ("$", "+") as well: what Hugging Face's Punctuation cuts at.
[[nodiscard]] bool is_punctuation(char32_t value);

// \w: Alphabetic, marks, decimal digits, connector punctuation and the two joiners.
[[nodiscard]] bool is_word_character(char32_t value);

}  // namespace sipo
