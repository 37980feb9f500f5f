// What a Mamba-1 layer does between its large products for the next tokens of several sequences, bf16:
// norm, in_proj, [the convolution, x_proj], [dt_proj, the recurrence and the gate], out_proj.
#pragma once

#include "backend/backend.hpp"
#include "kernels.hpp"

namespace sipo::cuda {

// Row i of everything belongs to sequence i.
struct ConvRowsArgs {
    Rows<__nv_bfloat16> in;   // [rows, d_inner]
    Rows<__nv_bfloat16> out;  // [rows, d_inner]
    const float* weight;      // [4, d_inner]
    std::int64_t weight_stride;
    const float* bias;  // may be null
    std::int64_t d_inner;
    // conv_project_rows() only: of the norm before `in`, whose factors it leaves in [rows].
    RowSquares squares = {};
    float* factors = nullptr;
};
// The causal convolution of four taps with SiLU; histories [3, d_inner] move on.
void conv_rows(const ConvRowsArgs& args, const StateTable& histories, std::int64_t rows,
               cudaStream_t s);

// dt | B | C of the rows: whole, or as sums over parts of the channels that are still to be added up.
struct ProjectedRows {
    Rows<__nv_bfloat16> whole = {};  // [rows, dt_rank + 2 d_state], with no parts
    Rows<const float> sums = {};     // [parts * rows, dt_rank + 2 d_state]
    int parts = 0;
    std::int64_t rows = 0;
};

// What the kernels are cut for.
struct RowsDevice {
    int multiprocessors;
    int shared_bytes;  // that a block may have
    bool clusters;     // Hopper and newer
    bool hopper;       // its own tensor cores (sm_90a)
};
[[nodiscard]] RowsDevice rows_device(int device);

// The convolution and x_proj in one.
struct ConvProjectRowsArgs {
    ConvRowsArgs conv;
    const __nv_bfloat16* weight;  // [outputs, d_inner]
    std::int64_t weight_stride;
    int outputs;
    Rows<float> sums;           // [conv_project_parts * rows, outputs]: parts of the result
    bool starts_early = false;  // before its predecessor, in_proj, has ended
};
inline constexpr int conv_project_parts = 2;
inline constexpr int conv_project_outputs = 192;  // at most
[[nodiscard]] bool fits_conv_project(std::int64_t d_inner, std::int64_t outputs,
                                     const RowsDevice& device);
void conv_project_rows(const ConvProjectRowsArgs& args, const StateTable& histories,
                       std::int64_t rows, cudaStream_t s);

inline constexpr int max_dt_rank = 256;
struct ScanRowsArgs {
    ProjectedRows dt_b_c;
    Rows<__nv_bfloat16> x;           // [rows, d_inner]
    Rows<__nv_bfloat16> z;           // [rows, d_inner]
    Rows<__nv_bfloat16> y;           // [rows, d_inner]
    const float* factors = nullptr;  // [rows], what z lacks; may be null
    const __nv_bfloat16* dt_weight;  // [d_inner, dt_rank]
    std::int64_t dt_stride;
    const float* dt_bias;
    float low;
    float high;
    const float* a;  // [d_state, d_inner]
    std::int64_t a_stride;
    const float* d;
    std::int64_t d_inner;
    int dt_rank;  // a multiple of 8
};
// Δ = clamp(softplus(dt · dt_projᵀ + bias)), then the recurrence and the gate; states
// [16, d_inner] move on.
void scan_rows(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
               const RowsDevice& device, cudaStream_t s);

// Whether a step of so many rows of a layer can go through them, and its convolution and x_proj
// through one.
[[nodiscard]] bool fits_mamba1_rows(const backend::Mamba1Layer& layer, std::int64_t rows);
[[nodiscard]] bool fits_conv_project(const backend::Mamba1Layer& layer, const RowsDevice& device);
[[nodiscard]] ConvRowsArgs conv_rows_args(const backend::Mamba1Layer& layer);
[[nodiscard]] ConvProjectRowsArgs conv_project_args(const backend::Mamba1Layer& layer, float* sums);
// dt | B | C whole, as x_proj leaves them.
[[nodiscard]] ScanRowsArgs scan_rows_args(const backend::Mamba1Layer& layer);

}  // namespace sipo::cuda
