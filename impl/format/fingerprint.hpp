// Which model a container holds.
#pragma once

#include <cstdint>
#include <string>

#include "format/contents.hpp"

namespace sipo {

struct Fingerprint {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const Fingerprint&) const = default;
};

// 32 hexadecimal digits.
[[nodiscard]] std::string text_of(const Fingerprint& fingerprint);

// Of the architecture and the stored weights, from the checksums in the header: no weight is read.
// Calibration profiles do not matter. The same weights stored otherwise (raw or zstd) count as
// another model.
[[nodiscard]] Fingerprint fingerprint_of(const Contents& contents);

}  // namespace sipo
