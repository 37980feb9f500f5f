// How the copy engine finds a tile of a bf16 matrix (a "tensor map").
#pragma once

#include <cuda.h>
#include <cuda_bf16.h>

#include <cstdint>

#include "kernels.hpp"

namespace sipo::cuda {

// Columns of a tile: 128 bytes, which it swizzles.
inline constexpr int map_columns = 64;
// Tiles of `tile_rows` rows and map_columns columns of the first rows and columns of `matrix`, whose
// address and stride are multiples of 16 bytes. What lies outside reads as zero.
[[nodiscard]] CUtensorMap make_tensor_map(const Rows<const __nv_bfloat16>& matrix,
                                          std::int64_t rows, std::int64_t cols, int tile_rows);

}  // namespace sipo::cuda
