// A logit and its index as one number that orders as tokens do: by logit, then the earlier first.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels.hpp"

namespace sipo::cuda {

// The logit's bits, turned so that they order as unsigned numbers do, then those of the index,
// turned so that the earlier is the greater. -0 is 0. Never zero for a number above -inf.
__device__ inline LogitKey key_of(float logit, std::uint32_t index) {
    const std::uint32_t bits = logit == 0.0F ? 0U : __float_as_uint(logit);
    const std::uint32_t order = bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
    return LogitKey{order} << 32 | static_cast<std::uint32_t>(~index);
}

// On the host.
inline float logit_of(LogitKey key) {
    const auto order = static_cast<std::uint32_t>(key >> 32);
    const std::uint32_t bits = order >> 31 != 0 ? order & 0x7fffffffU : ~order;
    float logit = 0.0F;
    std::memcpy(&logit, &bits, sizeof logit);
    return logit;
}
inline std::int32_t index_of(LogitKey key) {
    return static_cast<std::int32_t>(~static_cast<std::uint32_t>(key));
}

}  // namespace sipo::cuda
