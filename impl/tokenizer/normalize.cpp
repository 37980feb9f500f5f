#include "tokenizer/normalize.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.hpp"
#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

using Buffer = std::vector<utf8proc_int32_t>;

constexpr std::size_t longest_decomposition = 64;  // Unicode's longest is 18 (U+FDFA)

constexpr bool composes(NormalForm form) {
    return form == NormalForm::nfc || form == NormalForm::nfkc;
}

constexpr utf8proc_option_t options_of(NormalForm form) {
    const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
    const int options = (composes(form) ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | UTF8PROC_STABLE |
                        (compatible ? UTF8PROC_COMPAT : 0);
    return static_cast<utf8proc_option_t>(options);
}

int combining_class(utf8proc_int32_t value) {
    return utf8proc_get_property(value)->combining_class;
}

void decompose(std::string_view text, NormalForm form, Buffer& out) {
    std::array<utf8proc_int32_t, longest_decomposition> parts{};
    int last_boundary = 0;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = decode_utf8(text, at);
        at += point.length;
        const auto count =
            utf8proc_decompose_char(static_cast<utf8proc_int32_t>(point.value), parts.data(),
                                    parts.size(), options_of(form), &last_boundary);
        if (count < 0 || static_cast<std::size_t>(count) > parts.size()) {
            fail(Code::internal, "cannot decompose code point ", std::uint32_t{point.value});
        }
        out.insert(out.end(), parts.begin(), parts.begin() + count);
    }
}

// Sorts each run of marks by combining class. utf8proc's own loop is quadratic in the run.
void order_marks(Buffer& points) {
    const auto is_mark = [](utf8proc_int32_t value) { return combining_class(value) != 0; };
    auto first = points.begin();
    while ((first = std::find_if(first, points.end(), is_mark)) != points.end()) {
        const auto last = std::find_if_not(first, points.end(), is_mark);
        std::stable_sort(first, last, [](utf8proc_int32_t left, utf8proc_int32_t right) {
            return combining_class(left) < combining_class(right);
        });
        first = last;
    }
}

void append_normalized(std::string_view text, NormalForm form, Buffer& scratch, std::string& out) {
    scratch.clear();
    decompose(text, form, scratch);
    order_marks(scratch);
    auto count = static_cast<utf8proc_ssize_t>(scratch.size());
    if (composes(form)) count = utf8proc_normalize_utf32(scratch.data(), count, options_of(form));
    if (count < 0) fail(Code::internal, "cannot normalise text: ", utf8proc_errmsg(count));
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        append_utf8(out, static_cast<char32_t>(scratch[i]));
    }
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

// An ASCII character decomposes into itself and combines with nothing before it, so the text can be
// cut in front of each: only stretches of other characters, with the one they may combine with,
// need work.
std::string normalize(std::string_view text, NormalForm form) {
    std::string out;
    out.reserve(text.size());
    Buffer scratch;
    const auto* copied = text.begin();
    for (;;) {
        const auto* first = std::find_if_not(copied, text.end(), is_ascii);
        if (first == text.end()) break;
        const auto* last = std::find_if(first, text.end(), is_ascii);
        if (first != copied) --first;
        out.append(copied, first);
        append_normalized({first, last}, form, scratch, out);
        copied = last;
    }
    out.append(copied, text.end());
    return out;
}

}  // namespace sipo
