// residual += in · weightsᵀ for at most max_states rows and bf16 weights on Hopper, with the norm that
// follows: out_proj of a step of several sequences.
#pragma once

#include "kernels.hpp"
#include "tensor_map.hpp"

namespace sipo::cuda {

struct AddProductArgs {
    CUtensorMap in;       // [rows, inputs], tiles of the rows in groups of eight
    CUtensorMap weights;  // [outputs, inputs], tiles of the plan's outputs
    int rows;
    int outputs;
    int inputs;
    Rows<float> residual;  // [rows, outputs]
    // Where there is a norm: hidden = residual ⊙ norm, which lacks the factor that the squares of the
    // residual give.
    const float* norm;
    Rows<__nv_bfloat16> hidden;  // [rows, outputs]
    float* squares;              // [clusters, max_states]
    FirstTiles next;  // wanted by the next kernel: asked for when this product's have come
};

// Outputs of a cluster's, and clusters.
struct AddProductPlan {
    int tile = 0;  // none: the shape has no kernel
    int clusters = 0;
};
[[nodiscard]] AddProductPlan plan_add_product(std::int64_t outputs, std::int64_t inputs,
                                              int multiprocessors);
void add_product(const AddProductArgs& args, const AddProductPlan& plan, cudaStream_t s);

}  // namespace sipo::cuda
