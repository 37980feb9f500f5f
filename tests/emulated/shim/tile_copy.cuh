// Stands for kernels/cuda/tile_copy.cuh.
#pragma once
#include <array>

#include "cluster.cuh"
#include "tensor_map.hpp"

namespace sipo::cuda {

// As the copy engine leaves it: sixteen bytes lie where the row's last three bits say.
inline void copy_tile_to_all(void* to, const CUtensorMap& map, int column, int row,
                             ByteBarrier* barrier, std::uint16_t blocks) {
    constexpr int most_rows = 256, piece = 8;
    std::array<__nv_bfloat16, most_rows * map_columns> tile;
    for (int r = 0; r < map.tile_rows; ++r) {
        for (int c = 0; c < map_columns; ++c) {
            const bool inside = row + r < map.rows && column + c < map.cols;
            const int place = ((c / piece) ^ (r % 8)) * piece + c % piece;
            tile[static_cast<std::size_t>(r * map_columns + place)] =
                inside ? map.data[(row + r) * map.stride + column + c] : __nv_bfloat16(0.0F);
        }
    }
    const auto bytes = static_cast<std::uint32_t>(map.tile_rows * map_columns * 2);
    for (int rank = 0; blocks >> rank != 0; ++rank) {
        if ((blocks >> rank & 1) == 0) continue;
        emulator::copy_tile(address_in_block(to, rank), tile.data(), bytes,
                            address_in_block(barrier, rank));
    }
}
inline void copy_tile(void* to, const CUtensorMap& map, int column, int row, ByteBarrier* barrier) {
    copy_tile_to_all(to, map, column, row, barrier,
                     static_cast<std::uint16_t>(1 << cluster_rank()));
}
inline std::uint64_t passing_policy() { return 0; }
inline void copy_passing_tile(void* to, const CUtensorMap& map, int column, int row,
                              ByteBarrier* barrier, std::uint64_t) {
    copy_tile(to, map, column, row, barrier);
}
inline void prefetch_tile(const CUtensorMap&, int, int) {}

}  // namespace sipo::cuda
