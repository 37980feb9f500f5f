// The four Unicode normalisation forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sipo {

enum class NormalForm : std::uint8_t { nfc, nfd, nfkc, nfkd };

// `text` must be valid UTF-8. Characters newer than the Unicode version of the utf8proc at hand
// stay.
[[nodiscard]] std::string normalize(std::string_view text, NormalForm form);

}  // namespace sipo
