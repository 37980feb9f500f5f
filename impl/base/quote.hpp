// A name from outside, made fit for a one-line message.
#pragma once

#include <string>
#include <string_view>

namespace sipo {

// In quotes, with '?' for whatever is not printable ASCII, cut off when long. Not called `quoted`,
// for argument-dependent lookup would find std::quoted first.
[[nodiscard]] inline std::string quote(std::string_view text) {
    constexpr std::size_t longest = 120;
    std::string result = "\"";
    for (const char c : text.substr(0, longest)) result += c < 0x20 || c > 0x7e ? '?' : c;
    return result + (text.size() > longest ? "...\"" : "\"");
}

}  // namespace sipo
