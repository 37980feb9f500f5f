// The matrix product with block-quantised weights and inputs, written once for both code widths.
//
// A panel holds panel_quant output columns. For each block of k it has the columns' scales (bf16),
// for Q4 their offsets too, and then the codes as unsigned bytes, four neighbours of k together:
// what VPDPBUSD multiplies in one go. Inputs are quantised per row and block to signed bytes.
//
// Within a block the sum is a whole number below 2^24, exact in every register it is held in:
// machines without VNNI get the same bits. Blocks are added in order.
#pragma once

#include <type_traits>

#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {

inline constexpr std::int64_t steps_a_block = quant_block / 4;

SIPO_INLINE Vec widen_bf16(const std::uint16_t* from) {
    typedef std::uint16_t Half __attribute__((vector_size(width * 2)));
    typedef std::uint32_t Word __attribute__((vector_size(width * 4)));
    Half half;
    std::memcpy(&half, from, sizeof half);
    return __builtin_bit_cast(Vec, __builtin_convertvector(half, Word) << 16);
}

// The sum of a block's products for one vector of columns, and the rows of a tile whose sums fit
// the registers. add() takes the codes of a step, four unsigned bytes a lane, and four signed bytes
// of input.
#if defined(__AVX2__) && !defined(__AVX512VNNI__)
// For codes of four bits the products are so small that a block's fit into halves of a lane: 8
// steps of at most 2 · 15 · 127.
struct HalfSum {
    static constexpr std::int64_t tile_rows = 4;
    VecHalf sums;

    SIPO_INLINE void add(VecInt codes, VecInt inputs) {
        sums += dot_bytes(codes, inputs);
        // Without this GCC 12 adds a block's products as a tree, which does not fit the registers.
        asm("" : "+v"(sums));
    }
    [[nodiscard]] SIPO_INLINE VecInt total() const { return dot_pairs(sums, VecHalf{} + 1); }
};

// Longer codes are multiplied as two of four bits.
struct TwoHalfSums {
    static constexpr std::int64_t tile_rows = 4;
    HalfSum low;
    HalfSum high;

    SIPO_INLINE void add(VecInt codes, VecInt inputs) {
        low.add(codes & 0x0f0f0f0f, inputs);
        high.add((codes >> 4) & 0x0f0f0f0f, inputs);
    }
    [[nodiscard]] SIPO_INLINE VecInt total() const {
        return low.total() + dot_pairs(high.sums, VecHalf{} + 16);
    }
};

template <typename Codes>
using BlockSum = std::conditional_t<Codes::bits == 4, HalfSum, TwoHalfSums>;
#else
struct WholeSum {
    static constexpr std::int64_t tile_rows = width == 16 ? 6 : 2;
    VecInt sums;

    SIPO_INLINE void add(VecInt codes, VecInt inputs) {
#if defined(__AVX512VNNI__)
        // Written out: GCC 12 spills the accumulators of the intrinsic in a register-tiled loop.
        asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(inputs));
#else
        // The bytes of a lane in two pairs of halves.
        const auto x = __builtin_bit_cast(VecHalf, inputs);
        sums += dot_pairs(__builtin_bit_cast(VecHalf, codes & 0x00ff00ff), (x << 8) >> 8);
        sums += dot_pairs(__builtin_bit_cast(VecHalf, (codes >> 8) & 0x00ff00ff), x >> 8);
#endif
    }
    [[nodiscard]] SIPO_INLINE VecInt total() const { return sums; }
};

template <typename Codes>
using BlockSum = WholeSum;
#endif

// `Codes` says how codes lie in a panel: bytes_a_block, offset_of_codes, has_offset,
// zero_point (what an unsigned code stands above the signed one), bits, load(block, step, vec).
template <typename Codes, std::int64_t rows>
SIPO_INLINE void quant_tile(const QuantMatmulArgs& args, std::int64_t first_row,
                            const std::uint8_t* panel, float* out, std::ptrdiff_t out_stride) {
    Vec acc[rows][panel_vecs] = {};
    for (std::int64_t block = 0; block < args.k_blocks; ++block) {
        BlockSum<Codes> sums[rows][panel_vecs] = {};
#pragma GCC unroll 8
        for (std::int64_t step = 0; step < steps_a_block; ++step) {
            VecInt codes[panel_vecs];
#pragma GCC unroll 2
            for (std::int64_t v = 0; v < panel_vecs; ++v) codes[v] = Codes::load(panel, step, v);
#pragma GCC unroll 8
            for (std::int64_t r = 0; r < rows; ++r) {
                std::int32_t x = 0;
                std::memcpy(&x,
                            args.x + (first_row + r) * args.k_blocks * quant_block +
                                block * quant_block + step * 4,
                            sizeof x);
#pragma GCC unroll 2
                for (std::int64_t v = 0; v < panel_vecs; ++v)
                    sums[r][v].add(codes[v], VecInt{} + x);
            }
        }
        const auto* scales = reinterpret_cast<const std::uint16_t*>(panel);
#pragma GCC unroll 2
        for (std::int64_t v = 0; v < panel_vecs; ++v) {
            const Vec scale = widen_bf16(scales + v * width);
            // Σ (code − zero) x = Σ code x − zero Σ x; an offset adds offset · Σ x.
            Vec shift = splat(-Codes::zero_point) * scale;
            if constexpr (Codes::has_offset) shift = widen_bf16(scales + panel_quant + v * width);
#pragma GCC unroll 8
            for (std::int64_t r = 0; r < rows; ++r) {
                const QuantInput& input = args.x_blocks[(first_row + r) * args.k_blocks + block];
                acc[r][v] = fma(__builtin_convertvector(sums[r][v].total(), Vec),
                                scale * splat(input.scale), acc[r][v]);
                acc[r][v] = fma(shift, splat(input.sum), acc[r][v]);
            }
        }
        panel += Codes::bytes_a_block;
    }
#pragma GCC unroll 8
    for (std::int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 2
        for (std::int64_t v = 0; v < panel_vecs; ++v)
            store(out + r * out_stride + v * width, acc[r][v]);
    }
}

template <typename Codes, std::int64_t rows>
void quant_tile_any(const QuantMatmulArgs& args, std::int64_t first_row, std::int64_t m,
                    const std::uint8_t* panel, float* out, std::ptrdiff_t out_stride) {
    if constexpr (rows > 0) {
        if (m == rows) {
            quant_tile<Codes, rows>(args, first_row, panel, out, out_stride);
        } else {
            quant_tile_any<Codes, rows - 1>(args, first_row, m, panel, out, out_stride);
        }
    }
}

template <typename Codes>
void matmul_quant(const QuantMatmulArgs& args) {
    constexpr std::int64_t tile_rows = BlockSum<Codes>::tile_rows;
    alignas(64) float edge[tile_rows * panel_quant];
    const std::int64_t panel_bytes = args.k_blocks * Codes::bytes_a_block;
    for (std::int64_t p = args.first_panel; p < args.last_panel; ++p) {
        const std::int64_t cols = args.n - p * panel_quant;
        for (std::int64_t m0 = 0; m0 < args.m; m0 += tile_rows) {
            const std::int64_t m = args.m - m0 < tile_rows ? args.m - m0 : tile_rows;
            const std::uint8_t* panel = args.panels + p * panel_bytes;
            float* out = args.out + m0 * args.out_stride + p * panel_quant;
            if (cols >= panel_quant) {
                quant_tile_any<Codes, tile_rows>(args, m0, m, panel, out, args.out_stride);
                continue;
            }
            quant_tile_any<Codes, tile_rows>(args, m0, m, panel, edge, panel_quant);
            for (std::int64_t r = 0; r < m; ++r) {
                std::memcpy(out + r * args.out_stride, edge + r * panel_quant,
                            static_cast<std::size_t>(cols) * sizeof(float));
            }
        }
    }
}

}  // namespace sipo::cpu::SIPO_ISA
