// Row norms: RMSNorm, the gated RMSNorm of Mamba-2, and the token score of DeciMamba.
#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

// Σ f(i)² with four accumulators in a fixed order. f(i, count) gives lanes i .. i + count - 1, zero
// beyond count.
template <typename Fn>
SIPO_INLINE float sum_of_squares(std::int64_t count, Fn f) {
    Vec acc[4] = {};
    std::int64_t i = 0;
    for (; i + 4 * width <= count; i += 4 * width) {
#pragma GCC unroll 4
        for (std::int64_t j = 0; j < 4; ++j) {
            const Vec v = f(i + j * width, width);
            acc[j] = fma(v, v, acc[j]);
        }
    }
    for (; i < count; i += width) {
        const Vec v = f(i, count - i < width ? count - i : width);
        acc[0] = fma(v, v, acc[0]);
    }
    return sum((acc[0] + acc[1]) + (acc[2] + acc[3]));
}

SIPO_INLINE Vec load_lanes(const float* from, std::int64_t i, std::int64_t count) {
    return count == width ? load(from + i) : load_part(from + i, count);
}

// out = in · factor · weight
SIPO_INLINE void scale_row(const float* in, const float* weight, float factor, std::int64_t count,
                           float* out) {
    std::int64_t i = 0;
    for (; i + width <= count; i += width) {
        store(out + i, load(in + i) * splat(factor) * load(weight + i));
    }
    if (i < count) {
        const Vec v =
            load_part(in + i, count - i) * splat(factor) * load_part(weight + i, count - i);
        store_part(out + i, v, count - i);
    }
}

SIPO_INLINE float rms_factor(float squares, std::int64_t count, float eps) {
    return 1.0F / __builtin_sqrtf(squares / static_cast<float>(count) + eps);
}

}  // namespace

void rms_norm(const float* in, const float* weight, std::int64_t count, float eps, float* out) {
    const float squares = sum_of_squares(
        count, [in](std::int64_t i, std::int64_t part) { return load_lanes(in, i, part); });
    scale_row(in, weight, rms_factor(squares, count, eps), count, out);
}

void gated_norm(const float* z, const float* weight, std::int64_t count, float eps, float* y) {
    const float squares = sum_of_squares(count, [&](std::int64_t i, std::int64_t part) {
        const Vec gated = load_lanes(y, i, part) * silu(load_lanes(z, i, part));
        if (part == width) {
            store(y + i, gated);
        } else {
            store_part(y + i, gated, part);
        }
        return gated;
    });
    scale_row(y, weight, rms_factor(squares, count, eps), count, y);
}

float norm2(const float* in, std::int64_t count) {
    return __builtin_sqrtf(sum_of_squares(
        count, [in](std::int64_t i, std::int64_t part) { return load_lanes(in, i, part); }));
}

void add(const float* in, std::int64_t count, float* inout) {
    std::int64_t i = 0;
    for (; i + width <= count; i += width) store(inout + i, load(inout + i) + load(in + i));
    for (; i < count; ++i) inout[i] += in[i];
}

}  // namespace sipo::cpu::SIPO_ISA
