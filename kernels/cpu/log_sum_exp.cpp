// ln Σ exp of a row, relative to its largest element.
#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

// exp of `count` lanes of `v`; the others give 0.
SIPO_INLINE Vec exp_part(Vec v, std::int64_t count) {
    float lanes[width] = {};
    store_part(lanes, exp(v), count);
    return load(lanes);
}

float largest_of(const float* in, std::int64_t count) {
    Vec top[4] = {splat(in[0]), splat(in[0]), splat(in[0]), splat(in[0])};
    std::int64_t i = 0;
    for (; i + 4 * width <= count; i += 4 * width) {
#pragma GCC unroll 4
        for (std::int64_t j = 0; j < 4; ++j) top[j] = max(load(in + i + j * width), top[j]);
    }
    float largest = largest_lane(max(max(top[0], top[1]), max(top[2], top[3])));
    for (; i < count; ++i) largest = in[i] > largest ? in[i] : largest;
    return largest;
}

}  // namespace

float log_sum_exp(const float* in, std::int64_t count) {
    const float largest = largest_of(in, count);
    Vec acc[4] = {};
    std::int64_t i = 0;
    for (; i + 4 * width <= count; i += 4 * width) {
#pragma GCC unroll 4
        for (std::int64_t j = 0; j < 4; ++j) {
            acc[j] = acc[j] + exp(load(in + i + j * width) - splat(largest));
        }
    }
    for (; i < count; i += width) {
        const std::int64_t part = count - i < width ? count - i : width;
        acc[0] = acc[0] + exp_part(load_part(in + i, part) - splat(largest), part);
    }
    return largest + __builtin_logf(sum((acc[0] + acc[1]) + (acc[2] + acc[3])));
}

}  // namespace sipo::cpu::SIPO_ISA
