// Stands for what kernels/cuda/tensor_core.cuh says of a sum's elements.
#pragma once
#include "async_copy.cuh"
#include "device_math.cuh"

namespace sipo::cuda {

inline int operand_row() { return static_cast<int>(threadIdx.x) % warp_size / 4; }
inline int operand_column() { return static_cast<int>(threadIdx.x) % 4 * 2; }

}  // namespace sipo::cuda
