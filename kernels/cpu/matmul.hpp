// The blocked matrix product, written once for both element types. A packed matrix is a row of
// panels; a panel holds the weights of a few output columns, one step of k after the other, so that
// the inner loop reads it in order whatever the number of rows: the same code serves prefill and
// decoding.
//
// Every output element is one chain of multiply-adds over k, in order, from zero: neither the tile
// it lies in nor the blocking of k changes its bits.
#pragma once

#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {

// Steps of k in a block: a panel block stays in the first-level cache while the rows pass.
inline constexpr std::int64_t k_block = 256;

// `Step` says how one step of k multiplies: see matmul_f32.cpp and matmul_bf16.cpp.
//   Step::Element, Step::k_a_step (elements of k a step takes), Step::tile_rows, Step::panel_vecs
//   Step::load_panel(const Element*, vec), Step::broadcast(const Element*),
//   Step::multiply_add(x, w, acc)
template <typename Step, std::int64_t rows>
SIPO_INLINE void tile(const typename Step::Element* x, std::ptrdiff_t x_stride,
                      const typename Step::Element* panel, std::int64_t steps, bool first,
                      float* out, std::ptrdiff_t out_stride) {
    constexpr std::int64_t vecs = Step::panel_vecs;
    Vec acc[rows][vecs];
#pragma GCC unroll 32
    for (std::int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
        for (std::int64_t v = 0; v < vecs; ++v) {
            acc[r][v] = first ? Vec{} : load(out + r * out_stride + v * width);
        }
    }
    for (std::int64_t s = 0; s < steps; ++s) {
        typename Step::Weights w[vecs];
#pragma GCC unroll 8
        for (std::int64_t v = 0; v < vecs; ++v) w[v] = Step::load_panel(panel, v);
#pragma GCC unroll 32
        for (std::int64_t r = 0; r < rows; ++r) {
            const auto value = Step::broadcast(x + r * x_stride + s * Step::k_a_step);
#pragma GCC unroll 8
            for (std::int64_t v = 0; v < vecs; ++v) {
                acc[r][v] = Step::multiply_add(value, w[v], acc[r][v]);
            }
        }
        panel += Step::k_a_step * vecs * width;
    }
#pragma GCC unroll 32
    for (std::int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
        for (std::int64_t v = 0; v < vecs; ++v) store(out + r * out_stride + v * width, acc[r][v]);
    }
}

template <typename Step, std::int64_t rows>
void tile_any(std::int64_t m, const typename Step::Element* x, std::ptrdiff_t x_stride,
              const typename Step::Element* panel, std::int64_t steps, bool first, float* out,
              std::ptrdiff_t out_stride) {
    if constexpr (rows > 0) {
        if (m == rows) {
            tile<Step, rows>(x, x_stride, panel, steps, first, out, out_stride);
        } else {
            tile_any<Step, rows - 1>(m, x, x_stride, panel, steps, first, out, out_stride);
        }
    }
}

// The last panel may be wider than what is left of out: it goes through a full-width tile.
template <typename Step>
void tile_edge(std::int64_t m, const typename Step::Element* x, std::ptrdiff_t x_stride,
               const typename Step::Element* panel, std::int64_t steps, bool first, float* out,
               std::ptrdiff_t out_stride, std::int64_t cols) {
    constexpr std::int64_t panel_cols = Step::panel_vecs * width;
    alignas(64) float full[Step::tile_rows * panel_cols];
    const auto bytes = static_cast<std::size_t>(cols) * sizeof(float);
    for (std::int64_t r = 0; r < m && !first; ++r) {
        std::memcpy(full + r * panel_cols, out + r * out_stride, bytes);
    }
    tile_any<Step, Step::tile_rows>(m, x, x_stride, panel, steps, first, full, panel_cols);
    for (std::int64_t r = 0; r < m; ++r) {
        std::memcpy(out + r * out_stride, full + r * panel_cols, bytes);
    }
}

template <typename Step>
void matmul(const MatmulArgs<typename Step::Element>& args) {
    constexpr std::int64_t panel_cols = Step::panel_vecs * width;
    const std::int64_t all_steps = (args.k + Step::k_a_step - 1) / Step::k_a_step;
    const std::int64_t panel_size = all_steps * Step::k_a_step * panel_cols;
    // One tile of rows reads every panel once and in order: nothing is gained from blocks.
    const std::int64_t block = args.m <= Step::tile_rows ? all_steps : k_block;
    for (std::int64_t s0 = 0; s0 < all_steps; s0 += block) {
        const std::int64_t steps = all_steps - s0 < block ? all_steps - s0 : block;
        for (std::int64_t p = args.first_panel; p < args.last_panel; ++p) {
            const auto* panel = args.panels + p * panel_size + s0 * Step::k_a_step * panel_cols;
            const std::int64_t cols = args.n - p * panel_cols;
            for (std::int64_t m0 = 0; m0 < args.m; m0 += Step::tile_rows) {
                const std::int64_t m =
                    args.m - m0 < Step::tile_rows ? args.m - m0 : Step::tile_rows;
                const auto* x = args.x + m0 * args.x_stride + s0 * Step::k_a_step;
                float* out = args.out + m0 * args.out_stride + p * panel_cols;
                if (cols >= panel_cols) {
                    tile_any<Step, Step::tile_rows>(m, x, args.x_stride, panel, steps, s0 == 0, out,
                                                    args.out_stride);
                } else {
                    tile_edge<Step>(m, x, args.x_stride, panel, steps, s0 == 0, out,
                                    args.out_stride, cols);
                }
            }
        }
    }
}

}  // namespace sipo::cpu::SIPO_ISA
