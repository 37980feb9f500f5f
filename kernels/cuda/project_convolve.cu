// in_proj and the convolution of a step of several sequences on Hopper.
//
// The weights are nearly all of the bytes that come from memory, but every block wants all of the
// inputs, and what the blocks take out of the second-level cache for that is nearly as much again. So
// two blocks share them: each asks for half of the rows, which the copy engine brings to both. The
// rings are as deep as they fit, since a place that both blocks write is free when both have read it.
// A block has the same channels of x and of z, and x is convolved where its sums are. Warps of their
// own bring the histories: nobody waits for them before the sums are there.
#include "project_convolve.hpp"

#include <algorithm>

#include "cluster.cuh"
#include "device_math.cuh"
#include "four.cuh"
#include "launch.hpp"
#include "relaxed.cuh"
#include "row_factor.cuh"
#include "tensor_core.cuh"
#include "tile_ring.cuh"

namespace sipo::cuda {
namespace {

constexpr int cluster_blocks = 2;
constexpr int taps = 4;
constexpr int d_state = 16;
// Warps: four multiply and convolve; one asks for weights, one for inputs, four for histories.
constexpr int multiplying = 4 * warp_size;
constexpr int weights_warp = 4;
constexpr int in_warp = 5;
constexpr int first_history_warp = 6;
constexpr int history_threads = 4 * warp_size;
constexpr int threads = 10 * warp_size;
constexpr int factor_threads = multiplying / max_states;  // that find the factor of a row

constexpr int slots = 10;

template <int Channels>
struct Shared {
    static constexpr int outputs = 2 * Channels;  // x | z
    static constexpr int stride = outputs + 8;    // eight rows touch all banks
    TileRing<slots, outputs * tile_row_bytes> weights;
    TileRing<slots, in_tile_bytes> in;
    alignas(16) float history[taps - 1][max_states][Channels];
    alignas(16) float conv[taps + 1][Channels];  // and the bias
    float factor[max_states];
    // x | z, where inputs were.
    __device__ bf16* out() { return reinterpret_cast<bf16*>(in.tiles[0]); }
    static_assert(max_states * stride * sizeof(bf16) <= sizeof in.tiles);
};

#if __CUDA_ARCH__ >= 900

template <int Channels>
__device__ void init_barriers(Shared<Channels>& shared) {
    init_ring(shared.weights, multiplying / warp_size);
    init_ring(shared.in, cluster_blocks * multiplying / warp_size);
    publish_barriers();
}

// The block's share of the rows to both blocks, by one thread. In a few rows there is none for the
// second.
template <int Channels>
__device__ void ask_inputs(Shared<Channels>& shared, const ProjectConvolveArgs& args, int stages) {
    constexpr std::uint16_t both = 3;
    const int tile_rows = project_convolve_in_rows(args.rows);
    const int tiles = args.rows > tile_rows ? 2 : 1;
    const int first_row = cluster_rank() * tile_rows;
    const int bytes = tiles * tile_rows * tile_row_bytes;
    feed_inputs(shared.in, stages, bytes, [&](int stage, int slot) {
        if (cluster_rank() >= tiles) return;
        copy_tile_to_all(shared.in.tiles[slot] + first_row * tile_row_bytes, args.in,
                         stage * map_columns, first_row, &shared.in.full[slot], both);
    });
}

// The first states of the recurrence into the second-level cache, by a warp.
__device__ void prefetch_states(const StateTable& states, const ProjectConvolveArgs& args) {
    constexpr int piece = 1024;  // floats
    const auto blocks = static_cast<int>(gridDim.x);
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int pieces = (args.d_inner + piece - 1) / piece;
    for (int i = lane * blocks + static_cast<int>(blockIdx.x);
         i < args.states_ahead * d_state * pieces; i += warp_size * blocks) {
        const int first = i % pieces * piece;
        const int row = i / pieces;
        prefetch_bulk(states.data[row / d_state] + row % d_state * states.stride + first,
                      static_cast<std::uint32_t>(min(piece, args.d_inner - first)) *
                          std::uint32_t{sizeof(float)});
    }
}

// Those who bring the histories and those who convolve.
constexpr int history_meeting = history_threads + multiplying;

// The histories of the block's channels to shared memory; what moves on as it is goes back. They are
// asked for before the predecessor has ended, which is safe: it has stopped waiting then, so the step
// before this one, which wrote them, is complete.
template <int Channels>
__device__ void move_histories(Shared<Channels>& shared, const ProjectConvolveArgs& args,
                               const StateTable& table, int first_channel) {
    constexpr int quads = Channels / 4;
    const int thread = static_cast<int>(threadIdx.x) - first_history_warp * warp_size;
    const auto for_each = [&](const auto& run) {
        for (int i = thread; i < args.rows * quads; i += history_threads) {
            const int row = i / quads;
            const int column = i % quads * 4;
            run(table.data[row] + first_channel + column, row, column);
        }
    };
    for_each([&](const float* from, int row, int column) {
#pragma unroll
        for (int k = 0; k < taps - 1; ++k) {
            copy_async(&shared.history[k][row][column], from + k * table.stride, true);
        }
    });
    end_copy_group();
    wait_copy_groups<0>();
    arrive_at_meeting<history_meeting>();
    wait_for_predecessor();
    for_each([&](float* to, int row, int column) {
#pragma unroll
        for (int k = 1; k < taps - 1; ++k) {
            store_passing(to + (k - 1) * table.stride, load_four(&shared.history[k][row][column]));
        }
    });
}

// Taps and bias of the block's channels.
template <int Channels>
__device__ void ask_conv(Shared<Channels>& shared, const ProjectConvolveArgs& args,
                         int first_channel) {
    constexpr int quads = Channels / 4;
    for (int i = threadIdx.x; i < (taps + 1) * quads; i += multiplying) {
        const int k = i / quads;
        const int column = i % quads * 4;
        const bool is_bias = k == taps;
        const bool present = !is_bias || args.conv_bias != nullptr;
        const float* from = present && is_bias
                                ? args.conv_bias
                                : args.conv_weight + (is_bias ? 0 : k) * args.conv_stride;
        copy_async(&shared.conv[k][column], from + first_channel + column, present);
    }
    end_copy_group();
}

template <int Channels>
__device__ void multiply(Shared<Channels>& shared, int stages, float (&sums)[Channels]) {
    Cursor<slots> at;
    for (int stage = 0; stage < stages; ++stage) {
        wait_barrier(&shared.in.full[at.slot], at.turn);
        wait_barrier(&shared.weights.full[at.slot], at.turn);
        begin_products();
        multiply_tiles<2 * Channels>(sums, shared.in.tiles[at.slot], shared.weights.tiles[at.slot]);
        end_products();
        wait_products<1>();
        if (stage > 0 && threadIdx.x % warp_size == 0) {
            arrive_at(&shared.weights.empty[at.before()]);
#pragma unroll
            for (int rank = 0; rank < cluster_blocks; ++rank) {
                arrive_in_block(&shared.in.empty[at.before()], rank);
            }
        }
        at.advance();
    }
    wait_products<0>();
}

template <int Channels>
__device__ void share_factor(Shared<Channels>& shared, const ProjectConvolveArgs& args,
                             const RowFactor<factor_threads>& asked) {
    const float value = asked.value(args.squares);
    const int row = static_cast<int>(threadIdx.x) / factor_threads;
    if (threadIdx.x % factor_threads != 0) return;
    shared.factor[row] = value;
    if (blockIdx.x == 0 && args.factors != nullptr && row < args.rows) args.factors[row] = value;
}

// A thread's sums of two rows to shared memory, those of x convolved.
template <int Channels>
class Finishing {
public:
    __device__ Finishing(Shared<Channels>& shared, const StateTable& histories, int first_channel,
                         int rows)
        : shared_(shared) {
        const int first_row = static_cast<int>(threadIdx.x) / warp_size * 16 + operand_row();
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int row = first_row + half * 8;
            row_[half] = row;
            factor_[half] = shared.factor[row];
            newest_[half] = row < rows ? histories.data[row] + (taps - 2) * histories.stride +
                                             first_channel + operand_column()
                                       : nullptr;
        }
    }

    __device__ void finish(const float (&sums)[Channels]) const {
#pragma unroll
        for (int j = 0; j < Channels / 8; ++j) {
            const int column = j * 8 + operand_column();
            float2 weights[taps + 1];
#pragma unroll
            for (int k = 0; k <= taps; ++k) weights[k] = load_pair(&shared_.conv[k][column]);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int at = 4 * j + 2 * half;
                const int z = at + Channels / 2;
                bf16* out = shared_.out() + row_[half] * shared_.stride + column;
                store_pair(out, convolve(half, column, weights, {sums[at], sums[at + 1]}));
                store_pair(out + Channels, {sums[z], sums[z + 1]});
            }
        }
    }

private:
    __device__ float2 convolve(int half, int column, const float2 (&weights)[taps + 1],
                               float2 in) const {
        const float2 value = {in.x * factor_[half], in.y * factor_[half]};
        float2 sum = weights[taps];
#pragma unroll
        for (int k = 0; k < taps; ++k) {
            const float2 v =
                k < taps - 1 ? load_pair(&shared_.history[k][row_[half]][column]) : value;
            sum.x += weights[k].x * v.x;
            sum.y += weights[k].y * v.y;
        }
        if (newest_[half] != nullptr) {
            __stcs(reinterpret_cast<float2*>(newest_[half] + column - operand_column()), value);
        }
        return {silu<bf16>(sum.x), silu<bf16>(sum.y)};
    }

    Shared<Channels>& shared_;
    int row_[2];
    float factor_[2];
    float* newest_[2];  // of the histories; null where there is no sequence
};

// x and z of the warp's rows for those who come after.
template <int Channels>
__device__ void write(Shared<Channels>& shared, const ProjectConvolveArgs& args,
                      int first_channel) {
    constexpr int pieces = 2 * Channels / 8;
    const int first_row = static_cast<int>(threadIdx.x) / warp_size * 16;
    for (int i = threadIdx.x % warp_size; i < 16 * pieces; i += warp_size) {
        const int row = first_row + i / pieces;
        if (row >= args.rows) break;
        const int column = i % pieces * 8;
        bf16* to =
            column < Channels ? args.x.row(row) + column : args.z.row(row) + column - Channels;
        *reinterpret_cast<uint4*>(to + first_channel) =
            *reinterpret_cast<const uint4*>(shared.out() + row * shared.stride + column);
    }
}

#endif

template <int Channels>
__global__ __launch_bounds__(threads, 1) void project_convolve_rows(
    const __grid_constant__ ProjectConvolveArgs args, const __grid_constant__ StateTable histories,
    const __grid_constant__ StateTable states) {
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(1024) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared<Channels>*>(memory);
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    const bool first_lane = threadIdx.x % warp_size == 0;
    const int first_channel = static_cast<int>(blockIdx.x) * Channels;
    const int stages = args.d_model / map_columns;
    if (threadIdx.x == 0) init_barriers(shared);
    __syncthreads();
    arrive_at_cluster();
    if (warp == weights_warp) {
        const int rows[] = {first_channel, args.d_inner + first_channel};
        if (first_lane) ask_weights(shared.weights, args.weights, rows, {0, stages});
        __syncwarp();
        wait_for_last(shared.weights, stages);
        prefetch_states(states, args);
        wait_for_cluster();
    } else if (warp == in_warp) {
        wait_for_predecessor();
        wait_for_cluster();  // both have their barriers
        if (first_lane) ask_inputs(shared, args, stages);
        __syncwarp();
    } else if (warp >= first_history_warp) {
        move_histories(shared, args, histories, first_channel);
        wait_for_cluster();
    } else {
        ask_conv(shared, args, first_channel);
        wait_for_predecessor();
        let_successor_start();
        const RowFactor<factor_threads> asked(args.squares, threadIdx.x / factor_threads);
        wait_for_cluster();
        float sums[Channels] = {};
        multiply(shared, stages, sums);
        share_factor(shared, args, asked);
        wait_copy_groups<0>();
        wait_for_meeting<history_meeting>();  // and nobody reads inputs any more
        Finishing<Channels>(shared, histories, first_channel, args.rows).finish(sums);
        __syncwarp();
        write(shared, args, first_channel);
    }
    arrive_at_cluster();
    wait_for_cluster();  // the other block tells this one what it has read
#endif
}

// run.template operator()<Channels>() for the channels that have a kernel: with them the public models'
// widths are one wave of an H200's blocks. Narrow models would leave most of it idle.
constexpr int channel_tiles[] = {16, 24, 32, 40};
template <typename Run>
void for_channels(int channels, const Run& run) {
    switch (channels) {
        case 16: return run.template operator()<16>();
        case 24: return run.template operator()<24>();
        case 32: return run.template operator()<32>();
        default: return run.template operator()<40>();
    }
}

// What comes while the predecessor's sums travel and this kernel begins, on an H200.
constexpr std::int64_t first_bytes = std::int64_t{10} << 20;

}  // namespace

ProjectConvolvePlan plan_project_convolve(std::int64_t d_inner, std::int64_t d_model,
                                          int multiprocessors) {
    if (d_model % map_columns != 0) return {};
    for (const int channels : channel_tiles) {
        const std::int64_t blocks = d_inner / channels;
        if (d_inner % channels == 0 && blocks % cluster_blocks == 0 && blocks <= multiprocessors &&
            2 * blocks > multiprocessors) {
            return {channels, static_cast<int>(blocks)};
        }
    }
    return {};
}

FirstTiles first_tiles(const ProjectConvolveArgs& args, const ProjectConvolvePlan& plan) {
    const std::int64_t stage = std::int64_t{2} * args.d_inner * tile_row_bytes;
    return {.map = args.weights,
            .tile_rows = plan.channels,
            .tiles = 2 * plan.blocks,
            .stages = static_cast<int>(
                std::min<std::int64_t>(args.d_model / map_columns, first_bytes / stage))};
}

void project_convolve(const ProjectConvolveArgs& args, const ProjectConvolvePlan& plan,
                      const StateTable& histories, const StateTable& states, cudaStream_t s) {
    for_channels(plan.channels, [&]<int Channels>() {
        const auto kernel = project_convolve_rows<Channels>;
        allow_shared(kernel, sizeof(Shared<Channels>));
        launch_clusters(s, cluster_blocks, dim3(static_cast<unsigned>(plan.blocks)), threads,
                        sizeof(Shared<Channels>), kernel, args, histories, states);
    });
}

}  // namespace sipo::cuda
