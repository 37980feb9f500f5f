// How far results of many steps are apart: single elements of a chain of roundings say little.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace sipo::parity {

// ‖actual − expected‖₂ / ‖expected‖₂; infinite when the sizes differ.
inline double relative_l2(std::span<const float> actual, std::span<const float> expected) {
    if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
    double difference = 0.0;
    double size = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += std::pow(static_cast<double>(actual[i]) - expected[i], 2.0);
        size += std::pow(static_cast<double>(expected[i]), 2.0);
    }
    return std::sqrt(difference / size);
}

}  // namespace sipo::parity
