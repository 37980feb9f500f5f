// Matrix product with float32 weights: broadcast one x, multiply with a panel row of weights.
#include "matmul.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

struct StepF32 {
    using Element = float;
    using Weights = Vec;
    static constexpr std::int64_t k_a_step = 1;
    static constexpr std::int64_t panel_vecs = SIPO_ISA::panel_vecs;
    // Accumulators, two weights and a broadcast fill the registers: 32 of them with AVX-512,
    // else 16.
    static constexpr std::int64_t tile_rows = width == 16 ? 14 : 6;

    static SIPO_INLINE Vec load_panel(const float* panel, std::int64_t v) {
        return load(panel + v * width);
    }
    static SIPO_INLINE Vec broadcast(const float* x) { return splat(*x); }
    static SIPO_INLINE Vec multiply_add(Vec x, Vec w, Vec acc) { return fma(x, w, acc); }
};

}  // namespace

void pack_f32(const float* w, std::int64_t n, std::int64_t k, float* panels) {
    for (std::int64_t n0 = 0; n0 < n; n0 += panel_f32) {
        for (std::int64_t i = 0; i < k; ++i) {
            for (std::int64_t j = 0; j < panel_f32; ++j) {
                *panels++ = n0 + j < n ? w[(n0 + j) * k + i] : 0.0F;
            }
        }
    }
}

void matmul_f32(const MatmulArgs<float>& args) { matmul<StepF32>(args); }

}  // namespace sipo::cpu::SIPO_ISA
