// Who does what in a block of mamba1_token.cu, and where its shared memory lies.
#pragma once

#include <algorithm>

#include "bulk_copy.cuh"
#include "device_math.cuh"
#include "mamba1_token.hpp"

namespace sipo::cuda::token {

inline constexpr int d_state = 16;
inline constexpr int taps = 4;
inline constexpr int slice = warp_size * 8;       // columns that a warp multiplies at once
inline constexpr int max_elements = 4;            // (channel, state) elements of a thread
inline constexpr int bytes_under_way = 48 << 10;  // of a block
inline constexpr int cluster_blocks = 8;
inline constexpr int max_clusters = 18;
inline constexpr int max_rows = cluster_blocks * warp_size;  // of x_proj

// Of a model of d_model = Slices * slice: pairs of warps that multiply, as many as take a block's units of a
// product in few rounds on an H200, where 120 blocks in clusters are there at once. After them come a warp that
// asks for weights and one that adds up x_proj's parts.
template <int Slices>
struct Team {
    static constexpr int pairs = Slices % 3 == 0 ? 7 : 5;
    static constexpr int warps = 2 * pairs;
    static constexpr int threads = warps * warp_size;
    static constexpr int all_threads = threads + 2 * warp_size;
    static constexpr int max_channels = std::min(threads * max_elements / d_state, threads / 2);
    // Packs of four rows of x_proj's parts that a thread hears, for the rank of the public models.
    static constexpr int packs =
        (max_clusters * (Slices * slice / 16 + 2 * d_state) / 4 + threads - 1) / threads;
};

// Shared memory of a block, in bytes from its beginning, and the sizes that follow from the shape.
struct Layout {
    int blocks;
    int channels;  // the most that a block has, an even number
    int rows;      // of x_proj
    int owned;     // rows of x_proj that a block adds up for its cluster, at most
    int parts;     // that the block's channels are cut into for x_proj
    int depth;     // units in the ring
    int window;    // units asked for at a time
    int unit;      // bytes of a unit
    int dt_weight;
    int normed;
    int vector;
    int sums;
    int dt_b_c;
    int deltas;
    int inputs;
    int partial;
    int scratch;
    int narrow;    // x_proj's columns for the block's channels
    int sent;      // by the blocks of the cluster
    int gathered;  // from all clusters
    int layers;
    int full;
    int empty;
    int dt_full;
    int narrow_full;
    int narrow_empty;
    int sent_full;
    int ring;
    int bytes;

    [[nodiscard]] __host__ __device__ int clusters() const { return blocks / cluster_blocks; }
    // Bytes at `narrow`.
    [[nodiscard]] __host__ __device__ int narrow_bytes() const {
        return channels / 2 * rows * static_cast<int>(sizeof(std::uint32_t));
    }
};

[[nodiscard]] inline int take(int& end, int bytes) {
    const int begin = end;
    end += (bytes + 127) / 128 * 128;
    return begin;
}

template <int Slices>
[[nodiscard]] Layout layout_for(const TokenShape& shape, int layers, int blocks, int shared_bytes) {
    using Team = Team<Slices>;
    constexpr int wide = static_cast<int>(sizeof(float));
    constexpr int barrier = static_cast<int>(sizeof(ByteBarrier));
    constexpr int most = 128;
    Layout l{};
    l.blocks = blocks;
    l.channels = (shape.d_model + blocks - 1) / blocks * 2;
    l.rows = shape.dt_rank + 2 * d_state;
    l.owned = (l.rows + cluster_blocks - 1) / cluster_blocks;
    l.parts = std::min(Team::threads / l.rows, 2);
    l.unit = shape.d_inner() * static_cast<int>(sizeof(bf16));
    int end = 0;
    l.dt_weight = take(end, l.channels * shape.dt_stride * wide);
    l.normed = take(end, l.unit / 2);
    l.vector = take(end, l.unit);
    l.sums = take(end, 2 * l.channels * wide);
    l.dt_b_c = take(end, l.rows * wide);
    l.deltas = take(end, l.channels * wide);
    l.inputs = take(end, 2 * l.channels * wide);
    l.partial = take(end, d_state * l.channels * wide);
    l.scratch = take(end, Team::warps * wide);
    l.narrow = take(end, l.narrow_bytes());
    l.sent = take(end, cluster_blocks * l.parts * l.owned * wide);
    l.gathered = take(end, l.clusters() * l.rows * wide);
    l.layers = take(end, layers * static_cast<int>(sizeof(TokenLayer)));
    l.full = take(end, most * barrier);
    l.empty = take(end, most * barrier);
    l.dt_full = take(end, barrier);
    l.narrow_full = take(end, barrier);
    l.narrow_empty = take(end, barrier);
    l.sent_full = take(end, barrier);
    l.ring = end;
    l.depth = std::min((shared_bytes - end) / l.unit, most);
    l.window = std::clamp(bytes_under_way / l.unit, 2, std::max(l.depth - Team::pairs, 2));
    l.bytes = end + l.depth * l.unit;
    return l;
}

// Whether the kernel can do it.
template <int Slices>
[[nodiscard]] bool fits(const TokenShape& shape, const Layout& l) {
    using Team = Team<Slices>;
    return l.depth >= Team::pairs + l.window && l.channels <= Team::max_channels && l.parts > 0 &&
           l.rows <= max_rows && l.clusters() * l.rows <= 4 * Team::packs * Team::threads &&
           shape.dt_stride % 4 == 0 && shape.dt_rank % 4 == 0 && l.blocks <= shape.d_model;
}

}  // namespace sipo::cuda::token
