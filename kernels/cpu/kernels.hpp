// What every operation's file defines, once per instruction set: the build compiles the same
// sources several times with SIPO_ISA naming the namespace. See README.md for what such a file may
// use.
#pragma once

#include "kernel_table.hpp"
#include "vec.hpp"

namespace sipo::cpu::SIPO_ISA {

// Columns of a packed panel: two vectors, so that a row of it feeds two independent accumulators.
inline constexpr std::int64_t panel_vecs = 2;
inline constexpr std::int64_t panel_f32 = panel_vecs * width;
inline constexpr std::int64_t panel_bf16 = panel_vecs * width;
inline constexpr std::int64_t panel_quant = panel_vecs * width;

void pack_f32(const float* w, std::int64_t n, std::int64_t k, float* panels);
void pack_bf16(const std::uint16_t* w, std::int64_t n, std::int64_t k, std::uint16_t* panels);
void matmul_f32(const MatmulArgs<float>& args);
void matmul_bf16(const MatmulArgs<std::uint16_t>& args);
void pack_q8(const BlockQ8* w, std::int64_t n, std::int64_t k_blocks, std::uint8_t* panels);
void pack_q4(const BlockQ4* w, std::int64_t n, std::int64_t k_blocks, std::uint8_t* panels);
std::int64_t panel_bytes_q8(std::int64_t k_blocks);
std::int64_t panel_bytes_q4(std::int64_t k_blocks);
void matmul_q8(const QuantMatmulArgs& args);
void matmul_q4(const QuantMatmulArgs& args);
void quantize_row(const float* in, std::int64_t count, std::int8_t* codes, QuantInput* blocks);
void to_bf16(const float* in, std::int64_t count, std::uint16_t* out);
void add(const float* in, std::int64_t count, float* inout);
void rms_norm(const float* in, const float* weight, std::int64_t count, float eps, float* out);
void conv_silu(const ConvArgs& args);
void softplus(const float* bias, std::int64_t count, float low, float high, float* inout);
float norm2(const float* in, std::int64_t count);
float log_sum_exp(const float* in, std::int64_t count);
void selective_scan(const ScanArgs& args, std::int64_t first, std::int64_t last);
void head_scan(const ScanArgs& args, std::int64_t first, std::int64_t last);
void gated_norm(const float* z, const float* weight, std::int64_t count, float eps, float* y);

}  // namespace sipo::cpu::SIPO_ISA
