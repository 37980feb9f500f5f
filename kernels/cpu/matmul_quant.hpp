// The matrix product with block-quantised weights and inputs, written once for both code widths.
//
// A panel holds panel_quant output columns. For each block of k it has the columns' scales (bf16),
// for Q4 their offsets too, and then the codes as unsigned bytes, four neighbours of k together:
// what VPDPBUSD multiplies in one go. Inputs are quantised per row and block to signed bytes.
//
// Within a block the sum is a whole number below 2^24, so that float32 holds it exactly too:
// machines without VNNI multiply the codes as floats and get the same bits. Blocks are added in
// order.
#pragma once

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

// Codes of one step, four unsigned bytes a lane, times the four signed bytes of `x`, added to
// `acc`.
#if defined(__AVX512VNNI__)
using BlockSum = VecInt;

SIPO_INLINE void multiply_codes(VecInt codes, std::int32_t x, BlockSum& acc) {
    // Written out: GCC 12 spills the accumulators of the intrinsic in a register-tiled loop.
    const VecInt inputs = VecInt{} + x;
    asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(inputs));
}

SIPO_INLINE Vec to_float(BlockSum sum) { return __builtin_convertvector(sum, Vec); }
#else
using BlockSum = Vec;

SIPO_INLINE void multiply_codes(VecInt codes, std::int32_t x, BlockSum& acc) {
    typedef std::uint32_t Word __attribute__((vector_size(width * 4)));
    const Word words = __builtin_bit_cast(Word, codes);
    std::int8_t inputs[4];
    std::memcpy(inputs, &x, sizeof inputs);
#pragma GCC unroll 4
    for (std::int32_t i = 0; i < 4; ++i) {
        const VecInt code = __builtin_bit_cast(VecInt, (words >> (8 * i)) & 255U);
        acc = fma(__builtin_convertvector(code, Vec), splat(static_cast<float>(inputs[i])), acc);
    }
}

SIPO_INLINE Vec to_float(BlockSum sum) { return sum; }
#endif

// `Codes` says how codes lie in a panel: bytes_a_block, offset_of_codes, has_offset,
// zero_point (what an unsigned code stands above the signed one), load(block, step, vec).
template <typename Codes, std::int64_t rows>
SIPO_INLINE void quant_tile(const QuantMatmulArgs& args, std::int64_t first_row,
                            const std::uint8_t* panel, float* out, std::ptrdiff_t out_stride) {
    Vec acc[rows][panel_vecs] = {};
    for (std::int64_t block = 0; block < args.k_blocks; ++block) {
        BlockSum sums[rows][panel_vecs] = {};
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
                    multiply_codes(codes[v], x, sums[r][v]);
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
                acc[r][v] = fma(to_float(sums[r][v]), scale * splat(input.scale), acc[r][v]);
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
    constexpr std::int64_t tile_rows = width == 16 ? 6 : 2;
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
