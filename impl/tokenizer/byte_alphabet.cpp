#include "tokenizer/byte_alphabet.hpp"

#include <array>

#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

// A byte that prints in Latin-1 stands for itself; the others are numbered from U+0100 on.
constexpr bool is_printable(unsigned int byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<char32_t, 256> make_characters() {
    std::array<char32_t, 256> characters{};
    char32_t next = 0x100;
    for (unsigned int byte = 0; byte < characters.size(); ++byte) {
        characters[byte] = is_printable(byte) ? byte : next++;
    }
    return characters;
}

constexpr std::array<char32_t, 256> characters = make_characters();

constexpr std::size_t alphabet_end = 0x144;  // after the last character
constexpr int no_byte = -1;

constexpr std::array<int, alphabet_end> make_bytes() {
    std::array<int, alphabet_end> bytes{};
    bytes.fill(no_byte);
    for (int byte = 0; byte < 256; ++byte) bytes[characters[static_cast<unsigned>(byte)]] = byte;
    return bytes;
}

constexpr std::array<int, alphabet_end> bytes_of = make_bytes();

}  // namespace

std::string character_of_byte(unsigned char byte) {
    std::string out;
    append_utf8(out, characters[byte]);
    return out;
}

std::optional<std::string> bytes_of_token(std::string_view token) {
    std::string out;
    for (std::size_t at = 0; at < token.size();) {
        const CodePoint point = decode_utf8(token, at);
        if (point.value >= alphabet_end || bytes_of[point.value] == no_byte) return std::nullopt;
        out.push_back(static_cast<char>(bytes_of[point.value]));
        at += point.length;
    }
    return out;
}

}  // namespace sipo
