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

}  // namespace

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

}  // namespace sipo
