// A whole Mamba-1 layer for the next token of one sequence.
#pragma once

#include "kernels.hpp"

namespace sipo::cuda {

template <typename T>
struct Mamba1StepArgs {
    int d_model;
    int dt_rank;
    int d_state;
    int taps;
    std::int64_t d_inner;
    float* residual;  // [d_model]
    const float* norm;
    float norm_eps;
    Weights in_proj;           // x | z
    const float* conv_weight;  // [taps, d_inner]
    std::int64_t conv_stride;
    const float* conv_bias;  // may be null
    Rows<float> history;     // [taps - 1, d_inner]
    Weights x_proj;
    Mamba1Tables<float> layer;
    Rows<float> state;  // [d_state, d_inner]
    Weights out_proj;
    // Between the launches.
    T* x;
    T* z;
    T* dt_b_c;
    T* y;
};

// Whether mamba1_step() takes these shapes.
template <typename T>
[[nodiscard]] bool fits_step(const Mamba1StepArgs<T>& args);
template <typename T>
void mamba1_step(const Mamba1StepArgs<T>& args, cudaStream_t s);

}  // namespace sipo::cuda
