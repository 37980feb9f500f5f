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

// Of a tile of so many rows: the engine's swizzle has groups of eight. It is slow to fill in what lies
// outside, so tiles are no higher than they have to be.
[[nodiscard]] __host__ __device__ constexpr int in_eights(std::int64_t rows) {
    return static_cast<int>((rows + 7) / 8 * 8);
}

// The first `stages` tiles of each of `tiles` rows of tiles.
struct FirstTiles {
    CUtensorMap map;
    int tile_rows = 0;
    int tiles = 0;
    int stages = 0;
};

}  // namespace sipo::cuda
