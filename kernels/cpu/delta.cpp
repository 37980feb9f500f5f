// Δ = clamp(softplus(dt + bias)), one row. A NaN stays one: the bounds stand first in min and max.
#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {

void softplus(const float* bias, std::int64_t count, float low, float high, float* inout) {
    const auto one = [low, high](Vec v) { return min(splat(high), max(splat(low), softplus(v))); };
    std::int64_t i = 0;
    for (; i + width <= count; i += width) {
        store(inout + i, one(load(inout + i) + load(bias + i)));
    }
    if (i < count) {
        const std::int64_t rest = count - i;
        store_part(inout + i, one(load_part(inout + i, rest) + load_part(bias + i, rest)), rest);
    }
}

}  // namespace sipo::cpu::SIPO_ISA
