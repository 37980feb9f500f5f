// Δ, the recurrence and the gate of a Mamba-1 step of several sequences, bf16.
#pragma once

#include "kernels.hpp"

namespace sipo::cuda {

inline constexpr int max_dt_rank = 256;
// Row i of everything belongs to sequence i.
struct ScanRowsArgs {
    Rows<const __nv_bfloat16> dt_b_c;  // [rows, dt_rank + 32], as x_proj leaves it
    Rows<__nv_bfloat16> x;             // [rows, d_inner]
    Rows<__nv_bfloat16> z;             // [rows, d_inner]
    Rows<__nv_bfloat16> y;             // [rows, d_inner]
    const float* factors = nullptr;    // [rows], what z lacks; may be null
    Mamba1Tables<__nv_bfloat16> layer;
    std::int64_t d_inner;
    int dt_rank;  // a multiple of 8
};
// Δ = clamp(softplus(dt · dt_projᵀ + bias)), then the recurrence and the gate; states
// [16, d_inner] move on.
void scan_rows(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
               int multiprocessors, cudaStream_t s);

}  // namespace sipo::cuda
