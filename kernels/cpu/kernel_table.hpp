// The kernels of one instruction set as a table of functions. All pointers are to float32 unless a
// shape says otherwise; strides are in elements. A kernel works on the part it is told and starts
// no threads; cpu_stream.cpp cuts the work.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.hpp"

namespace sipo::cpu {

// out[m, n] = Σ_k x[m, k] · w[n, k] for the panels [first_panel, last_panel) of a packed matrix.
template <typename Element>
struct MatmulArgs {
    const Element* x;  // [m, k], rows `x_stride` apart
    std::ptrdiff_t x_stride;
    std::int64_t m;
    const Element* panels;  // packed, see pack_*
    std::int64_t n;         // columns of out, the padding of the last panel not counted
    std::int64_t k;
    std::int64_t first_panel;
    std::int64_t last_panel;
    float* out;  // [m, n]
    std::ptrdiff_t out_stride;
};

// A quantised input block: its scale, and scale · Σ codes.
struct QuantInput {
    float scale;
    float sum;
};

// The same product for block-quantised weights.
struct QuantMatmulArgs {
    const std::int8_t* x;        // [m, k_blocks, quant_block] codes
    const QuantInput* x_blocks;  // [m, k_blocks]
    std::int64_t m;
    const std::uint8_t* panels;
    std::int64_t n;
    std::int64_t k_blocks;
    std::int64_t first_panel;
    std::int64_t last_panel;
    float* out;  // [m, n]
    std::ptrdiff_t out_stride;
};

struct ConvArgs {
    const float* in;  // [tokens, channels]
    std::ptrdiff_t in_stride;
    const float* state;   // [taps - 1, channels], the inputs before row 0
    const float* weight;  // [taps, channels]
    const float* bias;    // [channels] or null
    std::int64_t taps;
    std::int64_t channels;
    std::int64_t first_token;
    std::int64_t last_token;
    std::int64_t first_channel;
    std::int64_t last_channel;
    float* out;  // [tokens, channels]
    std::ptrdiff_t out_stride;
};

// One scan over `tokens` visited rows; rows[i] is the i-th row to visit, null visits all in order.
struct ScanArgs {
    const float* x;      // [.., d_inner]
    const float* delta;  // [.., delta channels]
    const float* b;      // [.., n_groups * d_state]
    const float* c;      // [.., n_groups * d_state]
    const float* z;      // [.., d_inner], Mamba-1 only
    std::ptrdiff_t x_stride;
    std::ptrdiff_t delta_stride;
    std::ptrdiff_t b_stride;
    std::ptrdiff_t c_stride;
    std::ptrdiff_t z_stride;
    const std::int64_t* rows;
    std::int64_t tokens;
    const float* a;          // Mamba-1 [d_state, d_inner], Mamba-2 [n_heads]
    const float* d;          // Mamba-1 [d_inner], Mamba-2 [n_heads]
    const float* threshold;  // [delta channels] or null
    const float* scale;      // [delta channels], where threshold is given
    std::int64_t d_inner;
    std::int64_t d_state;
    std::int64_t head_dim;       // Mamba-2
    std::int64_t heads_a_group;  // Mamba-2
    float* state;                // Mamba-1 [d_state, d_inner], Mamba-2 [n_heads, d_state, head_dim]
    float* y;                    // [tokens, d_inner]
    std::ptrdiff_t y_stride;
};

struct KernelTable {
    const char* name;
    std::int64_t panel_f32;  // columns a packed panel holds
    std::int64_t panel_bf16;
    std::int64_t panel_quant;
    std::int64_t scan_block;  // channels that selective_scan takes together

    // Packs row-major w [n, k] into panels [n / panel, k, panel]; bf16 pairs stay together as
    // [n / panel, k / 2, panel, 2]. The padding is zero.
    void (*pack_f32)(const float* w, std::int64_t n, std::int64_t k, float* panels);
    void (*pack_bf16)(const std::uint16_t* w, std::int64_t n, std::int64_t k,
                      std::uint16_t* panels);
    void (*matmul_f32)(const MatmulArgs<float>& args);
    void (*matmul_bf16)(const MatmulArgs<std::uint16_t>& args);
    // Packs row-major blocks [n, k_blocks]; a panel takes panel_bytes_* bytes.
    void (*pack_q8)(const BlockQ8* w, std::int64_t n, std::int64_t k_blocks, std::uint8_t* panels);
    void (*pack_q4)(const BlockQ4* w, std::int64_t n, std::int64_t k_blocks, std::uint8_t* panels);
    std::int64_t (*panel_bytes_q8)(std::int64_t k_blocks);
    std::int64_t (*panel_bytes_q4)(std::int64_t k_blocks);
    void (*matmul_q8)(const QuantMatmulArgs& args);
    void (*matmul_q4)(const QuantMatmulArgs& args);
    // codes [count rounded up to blocks], blocks [ceil(count / quant_block)]
    void (*quantize_row)(const float* in, std::int64_t count, std::int8_t* codes,
                         QuantInput* blocks);
    void (*to_bf16)(const float* in, std::int64_t count, std::uint16_t* out);
    void (*add)(const float* in, std::int64_t count, float* inout);
    // out = in · rsqrt(mean(in²) + eps) · weight; [count]
    void (*rms_norm)(const float* in, const float* weight, std::int64_t count, float eps,
                     float* out);
    void (*conv_silu)(const ConvArgs& args);
    // inout = clamp(softplus(inout + bias), low, high); [count]
    void (*softplus)(const float* bias, std::int64_t count, float low, float high, float* inout);
    float (*norm2)(const float* in, std::int64_t count);
    // ln Σ exp(in); [count]
    float (*log_sum_exp)(const float* in, std::int64_t count);
    // Channels [first, last) of all visited rows.
    void (*selective_scan)(const ScanArgs& args, std::int64_t first, std::int64_t last);
    // Heads [first, last) of all visited rows.
    void (*head_scan)(const ScanArgs& args, std::int64_t first, std::int64_t last);
    // y = RMS(y · SiLU(z)) · weight; [count]
    void (*gated_norm)(const float* z, const float* weight, std::int64_t count, float eps,
                       float* y);
};

// The table of the best instruction set of this machine, or of the one that the environment
// variable SIPO_CPU names (baseline, avx2, avx512), if this machine has it.
[[nodiscard]] const KernelTable& select_kernels();

}  // namespace sipo::cpu
