// A float vector as wide as the instruction set, with the few functions the kernels need. GCC's
// vector extensions give arithmetic and comparison on every target; only what they lack is written
// per target.
//
// Every function acts on each lane alone, so a result does not depend on where in a vector an
// element lies; partial loads fill the rest with zeros. Contraction is off: a fused multiply-add
// happens where fma() is written and nowhere else.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace sipo::cpu::SIPO_ISA {

#if defined(__AVX512F__)
inline constexpr std::int64_t width = 16;
#elif defined(__AVX2__)
inline constexpr std::int64_t width = 8;
#else
inline constexpr std::int64_t width = 4;
#endif

typedef float Vec __attribute__((vector_size(width * 4)));
typedef std::int32_t VecInt __attribute__((vector_size(width * 4)));

typedef std::int16_t VecHalf __attribute__((vector_size(width * 4)));

#define SIPO_INLINE inline __attribute__((always_inline))

SIPO_INLINE Vec splat(float value) { return Vec{} + value; }

SIPO_INLINE Vec load(const float* from) {
    Vec v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

SIPO_INLINE void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }

SIPO_INLINE Vec load_part(const float* from, std::int64_t count) {
    Vec v{};
    std::memcpy(&v, from, static_cast<std::size_t>(count) * sizeof(float));
    return v;
}

SIPO_INLINE void store_part(float* to, Vec v, std::int64_t count) {
    std::memcpy(to, &v, static_cast<std::size_t>(count) * sizeof(float));
}

SIPO_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
    return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
    return vfmaq_f32(c, a, b);
#else
    return a * b + c;
#endif
}

// Where one is a NaN, the second.
SIPO_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }
SIPO_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }

// Sum of the lanes in a fixed order: halves are added until one is left.
SIPO_INLINE float sum(Vec v) {
    float lanes[width];
    store(lanes, v);
    for (std::int64_t half = width / 2; half > 0; half /= 2) {
        for (std::int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    return lanes[0];
}

SIPO_INLINE std::int32_t sum(VecInt v) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_epi32(__builtin_bit_cast(__m512i, v));
#else
    std::int32_t lanes[width];
    std::memcpy(lanes, &v, sizeof v);
    std::int32_t total = 0;
    for (const std::int32_t lane : lanes) total += lane;
    return total;
#endif
}

// The largest lane; no lane is a NaN.
SIPO_INLINE float largest_lane(Vec v) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps(v);
#else
    float lanes[width];
    store(lanes, v);
    float top = lanes[0];
    for (const float lane : lanes) top = lane > top ? lane : top;
    return top;
#endif
}

// Lane i: a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1].
SIPO_INLINE VecInt dot_pairs(VecHalf a, VecHalf b) {
#if defined(__AVX512BW__)
    return __builtin_bit_cast(
        VecInt, _mm512_madd_epi16(__builtin_bit_cast(__m512i, a), __builtin_bit_cast(__m512i, b)));
#elif defined(__AVX2__)
    return __builtin_bit_cast(
        VecInt, _mm256_madd_epi16(__builtin_bit_cast(__m256i, a), __builtin_bit_cast(__m256i, b)));
#elif defined(__SSE2__)
    return __builtin_bit_cast(
        VecInt, _mm_madd_epi16(__builtin_bit_cast(__m128i, a), __builtin_bit_cast(__m128i, b)));
#else
    const VecInt left = __builtin_bit_cast(VecInt, a);
    const VecInt right = __builtin_bit_cast(VecInt, b);
    return ((left << 16) >> 16) * ((right << 16) >> 16) + (left >> 16) * (right >> 16);
#endif
}

#if defined(__AVX2__)
// The same for bytes, the first unsigned and the second signed, where the sums fit into halves.
SIPO_INLINE VecHalf dot_bytes(VecInt a, VecInt b) {
#if defined(__AVX512BW__)
    return __builtin_bit_cast(VecHalf, _mm512_maddubs_epi16(__builtin_bit_cast(__m512i, a),
                                                            __builtin_bit_cast(__m512i, b)));
#else
    return __builtin_bit_cast(VecHalf, _mm256_maddubs_epi16(__builtin_bit_cast(__m256i, a),
                                                            __builtin_bit_cast(__m256i, b)));
#endif
}
#endif

// 2^x, for x ≤ 128. The degree-5 polynomial on [-1/2, 1/2] has relative error 1e-7 and gives
// exactly 1 at 0, so that Δ = 0 is a decay of exactly 1. Results below the normal range are 0.
SIPO_INLINE Vec exp2(Vec x) {
#if defined(__AVX512F__)
    const Vec whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    const Vec shift = splat(0x1.8p23F);  // adding it rounds to a whole number, in the low bits
    x = max(x, splat(-150.0F));
    const Vec shifted = x + shift;
    const Vec whole = shifted - shift;
#endif
    const Vec f = x - whole;
    Vec p = fma(splat(1.32647223e-3F), f, splat(9.67151298e-3F));
    p = fma(p, f, splat(5.55073376e-2F));
    p = fma(p, f, splat(2.40222421e-1F));
    p = fma(p, f, splat(6.93146978e-1F));
    p = fma(p, f, splat(1.0F));
#if defined(__AVX512F__)
    return _mm512_scalef_ps(p, whole);
#else
    const VecInt exponent = (__builtin_bit_cast(VecInt, shifted) + 127) << 23;
    const Vec scaled = p * __builtin_bit_cast(Vec, exponent);
    return x < splat(-125.5F) ? splat(0.0F) : scaled;
#endif
}

inline constexpr float log2_e = 1.44269504088896340736F;

SIPO_INLINE Vec exp(Vec x) {
    // Far below the smallest number, but finite: −∞ − (−∞) is not one. A NaN stays.
    x = max(splat(-200.0F), x);
    // With a fused multiply-add the rounding of x·log2(e) is made good and the relative error is
    // 2e-7; without, it is 6e-8 |x|.
    const Vec high = x * splat(log2_e);
    const Vec low = fma(x, splat(log2_e), -high);
    return exp2(high) * fma(low, splat(0.69314718F), splat(1.0F));
}

// x / (1 + e^-x), with the exponent bounded so that nothing overflows.
SIPO_INLINE Vec silu(Vec x) { return x / (splat(1.0F) + exp(min(-x, splat(88.0F)))); }

// ln(1 + e) for e in [0, 1]: 2 artanh(e / (2 + e)), whose series converges like (1/9)^k.
SIPO_INLINE Vec log1p_unit(Vec e) {
    const Vec s = e / (splat(2.0F) + e);
    const Vec s2 = s * s;
    Vec p = splat(1.0F / 15.0F);
    p = fma(p, s2, splat(1.0F / 13.0F));
    p = fma(p, s2, splat(1.0F / 11.0F));
    p = fma(p, s2, splat(1.0F / 9.0F));
    p = fma(p, s2, splat(1.0F / 7.0F));
    p = fma(p, s2, splat(1.0F / 5.0F));
    p = fma(p, s2, splat(1.0F / 3.0F));
    p = fma(p, s2, splat(1.0F));
    return (s + s) * p;
}

// ln(1 + e^x); the identity above 20, as in the public code.
SIPO_INLINE Vec softplus(Vec x) {
    const Vec magnitude = max(x, -x);
    const Vec small = max(x, splat(0.0F)) + log1p_unit(exp(-magnitude));
    return x > splat(20.0F) ? x : small;
}

}  // namespace sipo::cpu::SIPO_ISA
