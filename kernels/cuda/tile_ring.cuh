// Tiles of bf16 matrices that the copy engine brings to Hopper's tensor cores, through rings in shared
// memory: what the products of a step of several sequences have in common.
#pragma once

#include "tile_copy.cuh"
#include "wgmma.cuh"

namespace sipo::cuda {

inline constexpr int tile_row_bytes = map_columns * 2;
inline constexpr int in_tile_bytes = max_states * tile_row_bytes;  // of inputs, at most

template <int Slots, int Bytes>
struct TileRing {
    alignas(1024) unsigned char tiles[Slots][Bytes];
    ByteBarrier full[Slots];
    ByteBarrier empty[Slots];
};

// So many tiles of map_columns columns, from `first_column` on.
struct TilePart {
    int first_column;
    int stages;
    [[nodiscard]] __device__ int column(int stage) const {
        return first_column + stage * map_columns;
    }
};

#if __CUDA_ARCH__ >= 900

// A place in a ring, and the parity of the turn.
template <int Slots>
struct Cursor {
    int slot = 0;
    std::uint32_t turn = 0;
    __device__ void advance() {
        if (++slot == Slots) {
            slot = 0;
            turn ^= 1U;
        }
    }
    // The slot before.
    [[nodiscard]] __device__ int before() const { return slot == 0 ? Slots - 1 : slot - 1; }
};

// By one thread. `readers`: that free a slot.
template <int Slots, int Bytes>
__device__ void init_ring(TileRing<Slots, Bytes>& ring, unsigned readers) {
    for (int slot = 0; slot < Slots; ++slot) {
        init_barrier(&ring.full[slot], 1);
        init_barrier(&ring.empty[slot], readers);
    }
}

// Until the slot's tiles of the turn before have been read.
template <int Slots, int Bytes>
__device__ void wait_until_free(TileRing<Slots, Bytes>& ring, const Cursor<Slots>& at, int stage) {
    if (stage >= Slots) wait_barrier(&ring.empty[at.slot], at.turn ^ 1U);
}

// Inputs into a ring, by one thread: each slot is to get so many bytes, which ask(stage, slot) asks for.
template <int Slots, int Bytes, typename Ask>
__device__ void feed_inputs(TileRing<Slots, Bytes>& ring, int stages, int bytes, const Ask& ask) {
    Cursor<Slots> at;
    for (int stage = 0; stage < stages; ++stage) {
        wait_until_free(ring, at, stage);
        expect_bytes(&ring.full[at.slot], static_cast<std::uint32_t>(bytes));
        ask(stage, at.slot);
        at.advance();
    }
}

// Tiles of weights into a ring, by one thread: those of each of `rows` lie behind each other in a
// slot. At most those of `ahead` slots are under way, and what others ask for comes in between.
template <int Slots, int Bytes, int Tiles>
__device__ void ask_weights(TileRing<Slots, Bytes>& ring, const CUtensorMap& map,
                            const int (&rows)[Tiles], const TilePart& part, int ahead = Slots) {
    const std::uint64_t policy = passing_policy();
    Cursor<Slots> at;
    Cursor<Slots> behind;
    for (int stage = 0; stage < part.stages; ++stage) {
        wait_until_free(ring, at, stage);
        if (stage >= ahead) {
            wait_barrier(&ring.full[behind.slot], behind.turn);
            behind.advance();
        }
        expect_bytes(&ring.full[at.slot], Bytes);
#pragma unroll
        for (int i = 0; i < Tiles; ++i) {
            copy_passing_tile(ring.tiles[at.slot] + i * (Bytes / Tiles), map, part.column(stage),
                              rows[i], &ring.full[at.slot], policy);
        }
        at.advance();
    }
}

// sums [64, N] += the tile of the inputs · the tile of the weightsᵀ, by a warpgroup.
template <int N>
__device__ void multiply_tiles(float (&sums)[N / 2], const unsigned char* in,
                               const unsigned char* weights) {
    const std::uint64_t a = swizzled_operand(in);
    const std::uint64_t b = swizzled_operand(weights);
#pragma unroll
    for (int k = 0; k < map_columns / product_columns; ++k) {
        warpgroup_multiply_add<N>(sums, a + k * next_columns, b + k * next_columns);
    }
}

// What the blocks of a cluster have sent of the same elements, added up in their order.
template <int Blocks, int Count>
__device__ float4 add_blocks(const float4 (&sums)[Blocks][Count], int at) {
    float4 sum = {};
#pragma unroll
    for (int from = 0; from < Blocks; ++from) {
        const float4 s = sums[from][at];
        sum = {sum.x + s.x, sum.y + s.y, sum.z + s.z, sum.w + s.w};
    }
    return sum;
}

// Until the last tiles have come.
template <int Slots, int Bytes>
__device__ void wait_for_last(TileRing<Slots, Bytes>& ring, int stages) {
    const int last = stages - 1;
    wait_barrier(&ring.full[last % Slots], static_cast<std::uint32_t>(last / Slots % 2));
}

// The block's part of what the next kernel wants first, into the second-level cache, by a warp.
__device__ inline void prefetch_first(const FirstTiles& first) {
    constexpr int lanes = 32;
    const auto blocks = static_cast<int>(gridDim.x);
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    for (int i = lane * blocks + static_cast<int>(blockIdx.x); i < first.stages * first.tiles;
         i += lanes * blocks) {
        prefetch_tile(first.map, i / first.tiles * map_columns, i % first.tiles * first.tile_rows);
    }
}

#endif

}  // namespace sipo::cuda
