// in_proj and the convolution of a Mamba-1 step of several sequences, bf16 weights, on Hopper.
#pragma once

#include "kernels.hpp"
#include "tensor_map.hpp"

namespace sipo::cuda {

// Row i of everything belongs to sequence i.
struct ProjectConvolveArgs {
    CUtensorMap in;       // [rows, d_model], tiles of project_convolve_in_rows()
    CUtensorMap weights;  // [2 d_inner, d_model], tiles of the plan's channels
    int rows;
    int d_model;
    int d_inner;
    RowSquares squares;        // of the norm before in_proj
    float* factors;            // [rows], what z lacks of that norm; may be null
    const float* conv_weight;  // [4, d_inner]
    std::int64_t conv_stride;
    const float* conv_bias;  // may be null
    Rows<__nv_bfloat16> x;   // [rows, d_inner], convolved
    Rows<__nv_bfloat16> z;   // [rows, d_inner]
    int states_ahead;        // sequences whose states of the recurrence are asked for meanwhile
};

// Channels of a block, and blocks.
struct ProjectConvolvePlan {
    int channels = 0;  // none: the shape has no kernel
    int blocks = 0;
};
[[nodiscard]] ProjectConvolvePlan plan_project_convolve(std::int64_t d_inner, std::int64_t d_model,
                                                        int multiprocessors);
// Of each of the two blocks that share the inputs.
[[nodiscard]] __host__ __device__ constexpr int project_convolve_in_rows(std::int64_t rows) {
    return in_eights((rows + 1) / 2);
}
// What the kernel asks for first, for the one before it to ask for.
[[nodiscard]] FirstTiles first_tiles(const ProjectConvolveArgs& args,
                                     const ProjectConvolvePlan& plan);
// x | z = in · in_projᵀ, x convolved and through SiLU; histories [3, d_inner] move on. `states`: of the
// recurrence that follows, [16, d_inner].
void project_convolve(const ProjectConvolveArgs& args, const ProjectConvolvePlan& plan,
                      const StateTable& histories, const StateTable& states, cudaStream_t s);

}  // namespace sipo::cuda
