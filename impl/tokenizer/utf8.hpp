// UTF-8 from untrusted text: decoding, and the replacement of what is not UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sipo {

inline constexpr char32_t replacement_character = 0xfffd;

enum class Utf8 : std::uint8_t {
    valid,
    invalid,    // these bytes are not UTF-8, whatever follows
    truncated,  // the text ends inside a code point
};

struct CodePoint {
    char32_t value;      // U+FFFD unless valid
    std::size_t length;  // bytes; of a maximal subpart (Unicode 3.9, D93b) unless valid
    Utf8 state;
};

[[nodiscard]] CodePoint decode_multibyte(std::string_view text, std::size_t at);

// The code point at `at`, which lies inside `text`.
[[nodiscard]] inline CodePoint decode_utf8(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) return {lead, 1, Utf8::valid};
    return decode_multibyte(text, at);
}

void append_utf8(std::string& out, char32_t value);

// Appends `text` with every maximal invalid subpart replaced by one U+FFFD, but stops before a code
// point that the end of `text` truncates. Returns the bytes of `text` consumed: all but up to
// three.
std::size_t append_complete(std::string& out, std::string_view text);

// The whole of `text`, where a truncated end counts as invalid.
[[nodiscard]] std::string replace_invalid(std::string_view text);

}  // namespace sipo
