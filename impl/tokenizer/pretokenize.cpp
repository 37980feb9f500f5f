#include "tokenizer/pretokenize.hpp"

#include <array>

#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

// In lower case only, as the pattern has them.
constexpr std::array<std::string_view, 7> contractions{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};

std::size_t contraction_length(std::string_view text) {
    for (const std::string_view contraction : contractions) {
        if (text.starts_with(contraction)) return contraction.size();
    }
    return 0;
}

CharKind kind_at(std::string_view text, std::size_t at) {
    return kind_of(decode_utf8(text, at).value);
}

struct Run {
    std::size_t end;
    std::size_t last;  // where its last character starts
};

// The characters of one kind from `at` on; `at` itself may be past the end.
Run run_of(CharKind kind, std::string_view text, std::size_t at) {
    Run run{at, at};
    while (run.end < text.size()) {
        const CodePoint point = decode_utf8(text, run.end);
        if (kind_of(point.value) != kind) break;
        run.last = run.end;
        run.end += point.length;
    }
    return run;
}

std::size_t word_length(std::string_view text, std::size_t at) {
    if (text[at] == '\'') {
        if (const std::size_t length = contraction_length(text.substr(at)); length != 0)
            return length;
    }
    const std::size_t start = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
    if (const CharKind kind = kind_at(text, start); kind != CharKind::space) {
        return run_of(kind, text, start).end - at;
    }
    const Run spaces = run_of(CharKind::space, text, at);
    // The last space before a word is left to it, unless there is no other.
    const bool give_back = spaces.end < text.size() && spaces.last > at;
    return (give_back ? spaces.last : spaces.end) - at;
}

// Characters from `at` on that are, or are not, of a class, as the first of them.
template <typename Class>
std::size_t run_length(std::string_view text, std::size_t at, const Class& is_member) {
    const CodePoint first = decode_utf8(text, at);
    const bool wanted = is_member(first.value);
    std::size_t end = at + first.length;
    while (end < text.size()) {
        const CodePoint point = decode_utf8(text, end);
        if (is_member(point.value) != wanted) break;
        end += point.length;
    }
    return end - at;
}

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

// The byte alphabet has Latin-1's printable characters as they are, some of them numbers.
bool is_byte_digit(char c) {
    constexpr std::string_view numbers = "\xb2\xb3\xb9\xbc\xbd\xbe";  // superscripts, fractions
    return is_ascii_digit(c) || numbers.find(c) != std::string_view::npos;
}

std::size_t byte_run_length(std::string_view text, std::size_t at) {
    const bool wanted = is_byte_digit(text[at]);
    std::size_t end = at + 1;
    while (end < text.size() && is_byte_digit(text[end]) == wanted) ++end;
    return end - at;
}

bool has_triple(std::string_view text, std::size_t at) {
    return at + 3 <= text.size() && is_ascii_digit(text[at]) && is_ascii_digit(text[at + 1]) &&
           is_ascii_digit(text[at + 2]);
}

std::size_t triple_length(std::string_view text, std::size_t at) {
    if (has_triple(text, at)) return 3;
    std::size_t end = at + 1;
    while (end < text.size() && !has_triple(text, end)) ++end;
    return end - at;
}

}  // namespace

std::size_t piece_length(CutRule rule, std::string_view text, std::size_t at) {
    switch (rule) {
        case CutRule::words: return word_length(text, at);
        case CutRule::punctuation: return run_length(text, at, is_punctuation);
        case CutRule::digits:
            return run_length(text, at, [](char32_t c) { return kind_of(c) == CharKind::number; });
        case CutRule::byte_digits: return byte_run_length(text, at);
        case CutRule::digit_triples: return triple_length(text, at);
    }
    return text.size() - at;
}

}  // namespace sipo
