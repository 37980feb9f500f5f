// out_proj of a step of several sequences on Hopper, added to the residual.
//
// The weights are nearly all of the bytes, and there are too few outputs to give each
// multiprocessor some of its own. So the four blocks of a cluster have a tile of outputs together
// and a quarter of the inputs each; the sums of the four meet in shared memory, where each block
// brings a quarter of the rows together. The copy engine brings weights and inputs through rings;
// the weights begin to come before the predecessor has ended. When the last of them are there the
// memory would idle until the successor's begin to come, so some of those are asked for into the
// cache.
#include "add_product.hpp"
#include "cluster.cuh"
#include "device_math.cuh"
#include "launch.hpp"
#include "relaxed.cuh"
#include "tensor_core.cuh"
#include "wgmma.cuh"

namespace sipo::cuda {
namespace {

constexpr int cluster_blocks = 4;
constexpr int row_bytes = map_columns * 2;
constexpr int product_k = 16;
constexpr int warp_rows = max_states / 4;
// Warps: four multiply; one asks for weights, one for inputs.
constexpr int multiplying = 4 * warp_size;
constexpr int weights_warp = 4;
constexpr int in_warp = 5;
constexpr int threads = 6 * warp_size;

constexpr int weight_slots = 8;
constexpr int in_slots = 4;
constexpr int in_bytes = max_states * row_bytes;

// Tile: outputs of a cluster.
template <int Tile>
struct Shared {
    static constexpr int weight_bytes = Tile * row_bytes;
    static constexpr int groups = Tile / 8;              // of columns
    static constexpr int fragment = groups * warp_size;  // float4 of a warp's sums
    static_assert(4 * fragment * 16 <= in_slots * in_bytes);
    unsigned char in[in_slots][in_bytes];
    unsigned char weights[weight_slots][weight_bytes];
    float4 sums[cluster_blocks - 1][fragment];  // of the other blocks
    ByteBarrier weights_full[weight_slots];
    ByteBarrier weights_empty[weight_slots];
    ByteBarrier in_full[in_slots];
    ByteBarrier in_empty[in_slots];
    ByteBarrier arrived;
    float squares[warp_rows][4];  // of a row, by warps
    // A warp's own sums, where inputs were.
    __device__ float4* staged(int warp) {
        return reinterpret_cast<float4*>(in[0]) + warp * fragment;
    }
    // Those that block `from` sends to block `to`.
    __device__ float4* sent(int from, int to) {
        return sums[(from - to - 1 + cluster_blocks) % cluster_blocks];
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
};

__device__ void copy_tile(void* to, const CUtensorMap& map, int column, int row,
                          ByteBarrier* barrier) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
        "[%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
        "l"(&map), "r"(column), "r"(row), "r"(shared_address(barrier))
        : "memory");
}

// What a block has of a product.
struct Part {
    int first_output;
    int first_column;
    int stages;
};

template <int Tile>
__device__ void init_barriers(Shared<Tile>& shared) {
    for (int slot = 0; slot < weight_slots; ++slot) {
        init_barrier(&shared.weights_full[slot], 1);
        init_barrier(&shared.weights_empty[slot], 4);
    }
    for (int slot = 0; slot < in_slots; ++slot) {
        init_barrier(&shared.in_full[slot], 1);
        init_barrier(&shared.in_empty[slot], 4);
    }
    init_barrier(&shared.arrived, 1);
    publish_barriers();
    expect_bytes(&shared.arrived, sizeof shared.sums);
}

// A block's tiles of a matrix, from `row` on, into a ring.
template <int Slots, int Bytes>
__device__ void ask_tiles(unsigned char (&ring)[Slots][Bytes], ByteBarrier (&full)[Slots],
                          ByteBarrier (&empty)[Slots], const CUtensorMap& map, int row,
                          const Part& part) {
    Cursor<Slots> at;
    for (int stage = 0; stage < part.stages; ++stage) {
        if (stage >= Slots) wait_barrier(&empty[at.slot], at.turn ^ 1U);
        expect_bytes(&full[at.slot], Bytes);
        copy_tile(ring[at.slot], map, part.first_column + stage * map_columns, row, &full[at.slot]);
        at.advance();
    }
}

template <int Tile>
__device__ void wait_for_last(Shared<Tile>& shared, int stages) {
    const int last = stages - 1;
    wait_barrier(&shared.weights_full[last % weight_slots],
                 static_cast<std::uint32_t>(last / weight_slots % 2));
}

// The block's part of what is wanted next, into the second-level cache, by a warp.
__device__ void ask_next(const AddProductArgs& args) {
    constexpr std::int64_t piece = 4096;
    const std::int64_t lane = threadIdx.x % warp_size;
    for (std::int64_t at = (lane * gridDim.x + blockIdx.x) * piece; at < args.next_bytes;
         at += piece * warp_size * gridDim.x) {
        prefetch_bulk(static_cast<const char*>(args.next) + at,
                      static_cast<std::uint32_t>(min(piece, args.next_bytes - at)));
    }
}

template <int Tile>
__device__ void multiply(Shared<Tile>& shared, int stages, float (&sums)[Tile / 2]) {
    const bool tells = threadIdx.x % warp_size == 0;
    Cursor<weight_slots> weights;
    Cursor<in_slots> in;
    for (int stage = 0; stage < stages; ++stage) {
        const std::uint64_t a = swizzled_operand(shared.in[in.slot]);
        const std::uint64_t b = swizzled_operand(shared.weights[weights.slot]);
        wait_barrier(&shared.in_full[in.slot], in.turn);
        wait_barrier(&shared.weights_full[weights.slot], weights.turn);
        begin_products();
#pragma unroll
        for (int k = 0; k < map_columns / product_k; ++k) {
            warpgroup_multiply_add<Tile>(sums, a + k * next_columns, b + k * next_columns);
        }
        end_products();
        wait_products<0>();
        if (tells) {
            arrive_at(&shared.weights_empty[weights.slot]);
            arrive_at(&shared.in_empty[in.slot]);
        }
        weights.advance();
        in.advance();
    }
}

__device__ std::uint32_t pack_halves(float first, float second) {
    const __nv_bfloat162 both = __floats2bfloat162_rn(first, second);
    return reinterpret_cast<const std::uint32_t&>(both);
}

// Each warp's sums to the block that brings its rows together.
template <int Tile>
__device__ void exchange(Shared<Tile>& shared, const float (&sums)[Tile / 2]) {
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int rank = cluster_rank();
    sync_some<multiplying>();  // nobody reads inputs any more
    float4* own = shared.staged(warp);
#pragma unroll
    for (int j = 0; j < shared.groups; ++j) {
        own[j * warp_size + lane] = {sums[4 * j], sums[4 * j + 1], sums[4 * j + 2],
                                     sums[4 * j + 3]};
    }
    publish_to_copies();
    __syncwarp();
    if (warp != rank && lane == 0) {
        send_bulk(address_in_block(shared.sent(rank, warp), warp), own, shared.fragment * 16,
                  address_in_block(&shared.arrived, warp));
    }
    sync_some<multiplying>();
    wait_barrier_of_cluster(&shared.arrived, 0);
}

// The block's rows of the cluster's tile: a warp has every fourth group of eight columns, a lane two
// neighbours of two rows.
template <int Tile>
class Adding {
public:
    __device__ Adding(const AddProductArgs& args, int first_output)
        : args_(args),
          row_(cluster_rank() * warp_rows + operand_row()),
          first_output_(first_output) {}

    // What the sums are added to, asked for before they are there.
    __device__ void prepare() {
#pragma unroll
        for (int i = 0; i < items; ++i) {
            if (!present(i)) continue;
            if (args_.norm != nullptr) {
                norm_[i] = *reinterpret_cast<const float2*>(args_.norm + column(i));
            }
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                if (row(half) < args_.rows) residual_[i][half] = *residual_at(i, half);
            }
        }
    }

    __device__ void finish(Shared<Tile>& shared) {
        float4 sums[items];
#pragma unroll
        for (int i = 0; i < items; ++i) {
            sums[i] = whole_sum(shared, min(group(i), shared.groups - 1));
        }
        float squares[2] = {};
#pragma unroll
        for (int i = 0; i < items; ++i) {
            if (!present(i)) continue;
            add(i, 0, {sums[i].x, sums[i].y}, squares[0]);
            add(i, 1, {sums[i].z, sums[i].w}, squares[1]);
        }
        if (args_.norm != nullptr) add_squares(shared, squares);
    }

private:
    static constexpr int items = (Tile / 8 + 3) / 4;
    __device__ int group(int i) const { return static_cast<int>(threadIdx.x) / warp_size + 4 * i; }
    __device__ int column(int i) const { return first_output_ + group(i) * 8 + operand_column(); }
    __device__ int row(int half) const { return row_ + 8 * half; }
    __device__ bool present(int i) const {
        return group(i) < Tile / 8 && column(i) < args_.outputs;
    }
    __device__ float2* residual_at(int i, int half) const {
        return reinterpret_cast<float2*>(args_.residual.row(row(half)) + column(i));
    }

    // In the order of the inputs.
    __device__ float4 whole_sum(Shared<Tile>& shared, int group) const {
        const int rank = cluster_rank();
        float4 sum = {};
#pragma unroll
        for (int from = 0; from < cluster_blocks; ++from) {
            const float4* sums = from == rank ? shared.staged(rank) : shared.sent(from, rank);
            const float4 s = sums[group * warp_size + static_cast<int>(threadIdx.x) % warp_size];
            sum = {sum.x + s.x, sum.y + s.y, sum.z + s.z, sum.w + s.w};
        }
        return sum;
    }

    __device__ void add(int i, int half, float2 sum, float& squares) const {
        if (row(half) >= args_.rows) return;
        const float2 value = {residual_[i][half].x + sum.x, residual_[i][half].y + sum.y};
        *residual_at(i, half) = value;
        if (args_.norm == nullptr) return;
        *reinterpret_cast<std::uint32_t*>(args_.hidden.row(row(half)) + column(i)) =
            pack_halves(value.x * norm_[i].x, value.y * norm_[i].y);
        squares += value.x * value.x + value.y * value.y;
    }

    __device__ void add_squares(Shared<Tile>& shared, const float (&squares)[2]) const {
        const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float sum = squares[half];
            sum += __shfl_xor_sync(0xffffffffU, sum, 1);
            sum += __shfl_xor_sync(0xffffffffU, sum, 2);
            if (thread % 4 == 0) shared.squares[operand_row() + 8 * half][thread / warp_size] = sum;
        }
        sync_some<multiplying>();
        if (thread >= warp_rows) return;
        const float* p = shared.squares[thread];
        const int tile = static_cast<int>(blockIdx.x) / cluster_blocks;
        args_.squares[tile * max_states + cluster_rank() * warp_rows + thread] =
            p[0] + p[1] + p[2] + p[3];
    }

    const AddProductArgs& args_;
    int row_;
    int first_output_;
    float2 residual_[items][2];
    float2 norm_[items];
};

#endif

template <int Tile>
__global__ __launch_bounds__(threads,
                             1) void add_product_rows(const __grid_constant__ AddProductArgs args) {
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(1024) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared<Tile>*>(memory);
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    const bool first_lane = threadIdx.x % warp_size == 0;
    const int inputs = args.inputs / cluster_blocks;
    const Part part{static_cast<int>(blockIdx.x) / cluster_blocks * Tile, cluster_rank() * inputs,
                    inputs / map_columns};
    if (threadIdx.x == 0) init_barriers(shared);
    __syncthreads();
    arrive_at_cluster();
    if (warp == weights_warp) {
        if (first_lane) {
            ask_tiles(shared.weights, shared.weights_full, shared.weights_empty, args.weights,
                      part.first_output, part);
        }
        __syncwarp();
        wait_for_last(shared, part.stages);
        ask_next(args);
        wait_for_cluster();
        arrive_at_cluster();
    } else if (warp == in_warp) {
        wait_for_predecessor();
        if (first_lane) ask_tiles(shared.in, shared.in_full, shared.in_empty, args.in, 0, part);
        __syncwarp();
        wait_for_cluster();
        arrive_at_cluster();
    } else {
        wait_for_predecessor();
        let_successor_start();
        Adding<Tile> adding(args, part.first_output);
        adding.prepare();
        float sums[Tile / 2] = {};
        multiply(shared, part.stages, sums);
        wait_for_cluster();  // all have their barriers
        exchange(shared, sums);
        arrive_at_cluster();
        adding.finish(shared);
    }
    wait_for_cluster();  // what the block has sent has arrived
#endif
}

// run.template operator()<Tile>() for a tile that has a kernel. With the thirty clusters that the card
// has at once these leave none of the public models' widths a second turn.
constexpr int tiles[] = {32, 40, 56, 72, 88};
template <typename Run>
void for_tile(int tile, const Run& run) {
    switch (tile) {
        case 32: return run.template operator()<32>();
        case 40: return run.template operator()<40>();
        case 56: return run.template operator()<56>();
        case 72: return run.template operator()<72>();
        default: return run.template operator()<88>();
    }
}

// Groups of multiprocessors that share a cluster hold fewer clusters than their number says.
int clusters_at_once(int multiprocessors) {
    return multiprocessors / cluster_blocks - multiprocessors / 44;
}

}  // namespace

AddProductPlan plan_add_product(std::int64_t outputs, std::int64_t inputs, int multiprocessors) {
    if (outputs % 8 != 0 || inputs % (cluster_blocks * map_columns) != 0) return {};
    const auto at_once = static_cast<unsigned>(clusters_at_once(multiprocessors));
    for (const int tile : tiles) {
        const unsigned clusters = blocks_for(outputs, tile);
        if (clusters <= at_once) return {tile, static_cast<int>(clusters)};
    }
    return {};
}

void add_product(const AddProductArgs& args, const AddProductPlan& plan, cudaStream_t s) {
    for_tile(plan.tile, [&]<int Tile>() {
        const auto kernel = add_product_rows<Tile>;
        allow_shared(kernel, sizeof(Shared<Tile>));
        launch_clusters(s, cluster_blocks,
                        dim3(cluster_blocks * static_cast<unsigned>(plan.clusters)), threads,
                        sizeof(Shared<Tile>), kernel, args);
    });
}

}  // namespace sipo::cuda
