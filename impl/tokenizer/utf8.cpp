#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

// What a lead byte asks for (Unicode table 3-7). The limits of the second byte keep out overlong
// forms, surrogates and what lies beyond U+10FFFF; every later byte is 80..BF.
struct Lead {
    std::size_t trail;
    char32_t bits;
    unsigned char low;
    unsigned char high;
};

constexpr Lead lead_of(unsigned char byte) {
    const char32_t value = byte;
    if (byte >= 0xc2 && byte <= 0xdf) return {1, value & 0x1fU, 0x80, 0xbf};
    if (byte == 0xe0) return {2, value & 0x0fU, 0xa0, 0xbf};
    if (byte == 0xed) return {2, value & 0x0fU, 0x80, 0x9f};
    if (byte >= 0xe1 && byte <= 0xef) return {2, value & 0x0fU, 0x80, 0xbf};
    if (byte == 0xf0) return {3, value & 0x07U, 0x90, 0xbf};
    if (byte == 0xf4) return {3, value & 0x07U, 0x80, 0x8f};
    if (byte >= 0xf1 && byte <= 0xf3) return {3, value & 0x07U, 0x80, 0xbf};
    return {0, 0, 0, 0};
}

}  // namespace

CodePoint decode_multibyte(std::string_view text, std::size_t at) {
    const Lead lead = lead_of(static_cast<unsigned char>(text[at]));
    if (lead.trail == 0) return {replacement_character, 1, Utf8::invalid};
    char32_t value = lead.bits;
    unsigned char low = lead.low;
    unsigned char high = lead.high;
    for (std::size_t i = 1; i <= lead.trail; ++i) {
        if (at + i == text.size()) return {replacement_character, i, Utf8::truncated};
        const auto byte = static_cast<unsigned char>(text[at + i]);
        if (byte < low || byte > high) return {replacement_character, i, Utf8::invalid};
        value = (value << 6) | (byte & 0x3fU);
        low = 0x80;
        high = 0xbf;
    }
    return {value, lead.trail + 1, Utf8::valid};
}

void append_utf8(std::string& out, char32_t value) {
    const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    const auto put_trail = [&](int shift) { put(0x80U | ((value >> shift) & 0x3fU)); };
    if (value < 0x80) {
        put(value);
    } else if (value < 0x800) {
        put(0xc0U | (value >> 6));
        put_trail(0);
    } else if (value < 0x10000) {
        put(0xe0U | (value >> 12));
        put_trail(6);
        put_trail(0);
    } else {
        put(0xf0U | (value >> 18));
        put_trail(12);
        put_trail(6);
        put_trail(0);
    }
}

std::size_t append_complete(std::string& out, std::string_view text) {
    std::size_t copied = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const CodePoint point = decode_utf8(text, at);
        if (point.state == Utf8::truncated) break;
        if (point.state == Utf8::invalid) {
            out.append(text.substr(copied, at - copied));
            append_utf8(out, replacement_character);
            copied = at + point.length;
        }
        at += point.length;
    }
    out.append(text.substr(copied, at - copied));
    return at;
}

std::string replace_invalid(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    if (append_complete(out, text) < text.size()) append_utf8(out, replacement_character);
    return out;
}

}  // namespace sipo
