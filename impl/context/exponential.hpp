// e^x for many x at once.
#pragma once

#include <bit>
#include <cstdint>

namespace sipo::context {

inline constexpr double lowest_exponent = -708.0;

// e^x for lowest_exponent ≤ x ≤ 0, to 1e-15 relative. Without a branch, so that the compiler makes
// vectors of it: calibration and the measures take more exponentials than anything else.
inline double exp_in_range(double x) {
    constexpr double shift = 0x1.8p52;  // adding it rounds to a whole number, in the low bits
    const double shifted = x * 1.44269504088896340736 + shift;
    const double whole = shifted - shift;
    const double r = (x - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;
    double p = 1.0 / 39916800.0;  // Taylor: |r| ≤ ln(2) / 2
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    const auto exponent = (std::bit_cast<std::uint64_t>(shifted) + 1023U) << 52;
    return p * std::bit_cast<double>(exponent);
}

}  // namespace sipo::context
