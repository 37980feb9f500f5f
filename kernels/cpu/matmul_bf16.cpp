// Matrix product with bf16 weights and bf16 inputs, accumulated in float32. Two neighbours of k
// form a pair: VDPBF16PS takes a pair at a time; elsewhere the two halves are widened and
// multiplied in turn.
#include "matmul.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

struct StepBf16 {
    using Element = std::uint16_t;
    using Weights = VecInt;  // `width` pairs
    static constexpr std::int64_t k_a_step = 2;
    static constexpr std::int64_t panel_vecs = SIPO_ISA::panel_vecs;
    static constexpr std::int64_t tile_rows = width == 16 ? 14 : 4;

    static SIPO_INLINE VecInt load_panel(const std::uint16_t* panel, std::int64_t v) {
        VecInt pairs;
        std::memcpy(&pairs, panel + v * 2 * width, sizeof pairs);
        return pairs;
    }
    static SIPO_INLINE VecInt broadcast(const std::uint16_t* x) {
        std::int32_t pair = 0;
        std::memcpy(&pair, x, sizeof pair);
        return VecInt{} + pair;
    }
    static SIPO_INLINE Vec even(VecInt pairs) { return __builtin_bit_cast(Vec, pairs << 16); }
    static SIPO_INLINE Vec odd(VecInt pairs) {
        return __builtin_bit_cast(Vec, pairs & static_cast<std::int32_t>(0xffff0000));
    }
    static SIPO_INLINE Vec multiply_add(VecInt x, VecInt w, Vec acc) {
#if defined(__AVX512BF16__)
        return _mm512_dpbf16_ps(acc, __builtin_bit_cast(__m512bh, x),
                                __builtin_bit_cast(__m512bh, w));
#else
        return fma(even(x), even(w), fma(odd(x), odd(w), acc));
#endif
    }
};

SIPO_INLINE std::uint16_t round_bf16(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace

void pack_bf16(const std::uint16_t* w, std::int64_t n, std::int64_t k, std::uint16_t* panels) {
    for (std::int64_t n0 = 0; n0 < n; n0 += panel_bf16) {
        for (std::int64_t i = 0; i < k; i += 2) {
            for (std::int64_t j = 0; j < panel_bf16; ++j) {
                const std::uint16_t* row = w + (n0 + j) * k + i;
                *panels++ = n0 + j < n ? row[0] : std::uint16_t{0};
                *panels++ = n0 + j < n && i + 1 < k ? row[1] : std::uint16_t{0};
            }
        }
    }
}

void to_bf16(const float* in, std::int64_t count, std::uint16_t* out) {
    std::int64_t i = 0;
#if defined(__AVX512BF16__)
    for (; i + width <= count; i += width) {
        const __m256bh rounded = _mm512_cvtneps_pbh(load(in + i));
        std::memcpy(out + i, &rounded, sizeof rounded);
    }
#endif
    for (; i < count; ++i) out[i] = round_bf16(in[i]);
}

void matmul_bf16(const MatmulArgs<std::uint16_t>& args) { matmul<StepBf16>(args); }

}  // namespace sipo::cpu::SIPO_ISA
