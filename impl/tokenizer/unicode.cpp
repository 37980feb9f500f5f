#include "tokenizer/unicode.hpp"

#include <utf8proc.h>

#include <array>

namespace sipo {
namespace {

CharKind kind_by_category(char32_t value) {
    if (is_space(value)) return CharKind::space;
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(value))) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_LO: return CharKind::letter;
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_NO: return CharKind::number;
        default: return CharKind::other;
    }
}

constexpr std::array<CharKind, 128> make_ascii_kinds() {
    std::array<CharKind, 128> kinds{};
    for (std::size_t c = 0; c < kinds.size(); ++c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool number = c >= '0' && c <= '9';
        const bool space = c == ' ' || (c >= '\t' && c <= '\r');
        kinds[c] = letter   ? CharKind::letter
                   : number ? CharKind::number
                   : space  ? CharKind::space
                            : CharKind::other;
    }
    return kinds;
}

constexpr std::array<CharKind, 128> ascii_kinds = make_ascii_kinds();

// Letters in circles and squares: symbols by category, yet Alphabetic (Other_Alphabetic).
constexpr bool is_enclosed_letter(char32_t c) {
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

}  // namespace

CharKind kind_of(char32_t value) {
    return value < ascii_kinds.size() ? ascii_kinds[value] : kind_by_category(value);
}

bool is_space(char32_t value) {
    if (value < 0x80) return value == ' ' || (value >= '\t' && value <= '\r');
    switch (value) {
        case 0x85:
        case 0xa0:
        case 0x1680:
        case 0x2028:
        case 0x2029:
        case 0x202f:
        case 0x205f:
        case 0x3000: return true;
        default: return value >= 0x2000 && value <= 0x200a;
    }
}

bool is_punctuation(char32_t value) {
    if (value < 0x80) return value > ' ' && value < 0x7f && kind_of(value) == CharKind::other;
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(value))) {
        case UTF8PROC_CATEGORY_PC:
        case UTF8PROC_CATEGORY_PD:
        case UTF8PROC_CATEGORY_PS:
        case UTF8PROC_CATEGORY_PE:
        case UTF8PROC_CATEGORY_PI:
        case UTF8PROC_CATEGORY_PF:
        case UTF8PROC_CATEGORY_PO: return true;
        default: return false;
    }
}

bool is_word_character(char32_t value) {
    constexpr char32_t non_joiner = 0x200c;
    constexpr char32_t joiner = 0x200d;
    if (value == non_joiner || value == joiner || is_enclosed_letter(value)) return true;
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(value))) {
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_PC: return true;
        default: return kind_of(value) == CharKind::letter;
    }
}

}  // namespace sipo
