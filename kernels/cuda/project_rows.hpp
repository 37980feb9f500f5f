// x_proj of a Mamba-1 step of several sequences, bf16 weights, on Hopper.
#pragma once

#include "kernels.hpp"
#include "tensor_map.hpp"

namespace sipo::cuda {

struct ProjectRowsArgs {
    CUtensorMap in;       // [rows, inputs], tiles of the rows in groups of eight
    CUtensorMap weights;  // [outputs, inputs], tiles of project_rows_tile outputs
    int rows;
    int outputs;
    int inputs;
    Rows<__nv_bfloat16> out;  // [rows, outputs]
};
inline constexpr int project_rows_tile = 16;
[[nodiscard]] bool fits_project_rows(std::int64_t outputs, std::int64_t inputs);
// out = in · weightsᵀ.
void project_rows(const ProjectRowsArgs& args, cudaStream_t s);

}  // namespace sipo::cuda
