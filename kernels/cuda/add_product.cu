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
#include "four.cuh"
#include "launch.hpp"
#include "relaxed.cuh"
#include "tensor_core.cuh"
#include "tile_ring.cuh"

namespace sipo::cuda {
namespace {

constexpr int cluster_blocks = 4;
constexpr int warp_rows = max_states / 4;
// Warps: four multiply; one asks for weights, one for inputs.
constexpr int multiplying = 4 * warp_size;
constexpr int weights_warp = 4;
constexpr int in_warp = 5;
constexpr int threads = 6 * warp_size;

constexpr int weight_slots = 12;
// More would not come sooner, and the first inputs wait for all that was asked for before them.
constexpr int weights_ahead = 6;
constexpr int in_slots = 8;

// Tile: outputs of a cluster.
template <int Tile>
struct Shared {
    static constexpr int groups = Tile / 8;              // of columns
    static constexpr int fragment = groups * warp_size;  // float4 of a warp's sums
    TileRing<in_slots, in_tile_bytes> in;
    TileRing<weight_slots, Tile * tile_row_bytes> weights;
    float4 sums[cluster_blocks][fragment];  // of the block's rows, by blocks
    ByteBarrier arrived;
    float squares[warp_rows][4];  // of a row, by warps
};

#if __CUDA_ARCH__ >= 900

template <int Tile>
__device__ void init_barriers(Shared<Tile>& shared) {
    init_ring(shared.weights, multiplying / warp_size);
    init_ring(shared.in, multiplying / warp_size);
    init_barrier(&shared.arrived, 1);
    publish_barriers();
    expect_bytes(&shared.arrived, (cluster_blocks - 1) * sizeof shared.sums[0]);
}

template <int Tile>
__device__ void multiply(Shared<Tile>& shared, int stages, float (&sums)[Tile / 2]) {
    Cursor<weight_slots> weights;
    Cursor<in_slots> in;
    for (int stage = 0; stage < stages; ++stage) {
        wait_barrier(&shared.in.full[in.slot], in.turn);
        wait_barrier(&shared.weights.full[weights.slot], weights.turn);
        begin_products();
        multiply_tiles<Tile>(sums, shared.in.tiles[in.slot], shared.weights.tiles[weights.slot]);
        end_products();
        wait_products<1>();
        if (stage > 0 && threadIdx.x % warp_size == 0) {
            arrive_at(&shared.weights.empty[weights.before()]);
            arrive_at(&shared.in.empty[in.before()]);
        }
        weights.advance();
        in.advance();
    }
    wait_products<0>();
}

// Each warp's sums to the block that brings its rows together.
template <int Tile>
__device__ void exchange(Shared<Tile>& shared, const float (&sums)[Tile / 2]) {
    const int owner = static_cast<int>(threadIdx.x) / warp_size;
    const int rank = cluster_rank();
    float4* place = &shared.sums[rank][threadIdx.x % warp_size];
    const std::uint32_t remote = address_in_block(place, owner);
    const std::uint32_t arrived = address_in_block(&shared.arrived, owner);
#pragma unroll
    for (int j = 0; j < shared.groups; ++j) {
        const float4 four = {sums[4 * j], sums[4 * j + 1], sums[4 * j + 2], sums[4 * j + 3]};
        if (owner == rank) {
            place[j * warp_size] = four;
        } else {
            send_four(remote + j * warp_size * sizeof four, four, arrived);
        }
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
                norm_[i] = load_pair(args_.norm + column(i));
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

    __device__ float4 whole_sum(Shared<Tile>& shared, int group) const {
        return add_blocks(shared.sums,
                          group * warp_size + static_cast<int>(threadIdx.x) % warp_size);
    }

    __device__ void add(int i, int half, float2 sum, float& squares) const {
        if (row(half) >= args_.rows) return;
        const float2 value = {residual_[i][half].x + sum.x, residual_[i][half].y + sum.y};
        *residual_at(i, half) = value;
        if (args_.norm == nullptr) return;
        const float2 normed = {value.x * norm_[i].x, value.y * norm_[i].y};
        store_pair(args_.hidden.row(row(half)) + column(i), normed);
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
    const int first_output = static_cast<int>(blockIdx.x) / cluster_blocks * Tile;
    const TilePart part{cluster_rank() * inputs, inputs / map_columns};
    if (threadIdx.x == 0) init_barriers(shared);
    __syncthreads();
    arrive_at_cluster();
    if (warp == weights_warp) {
        const int rows[] = {first_output};
        if (first_lane) ask_weights(shared.weights, args.weights, rows, part, weights_ahead);
        __syncwarp();
        wait_for_last(shared.weights, part.stages);
        prefetch_first(args.next);
        wait_for_cluster();
        arrive_at_cluster();
    } else if (warp == in_warp) {
        wait_for_predecessor();
        const int bytes = in_eights(args.rows) * tile_row_bytes;
        if (first_lane) {
            feed_inputs(shared.in, part.stages, bytes, [&](int stage, int slot) {
                copy_tile(shared.in.tiles[slot], args.in, part.column(stage), 0,
                          &shared.in.full[slot]);
            });
        }
        __syncwarp();
        wait_for_cluster();
        arrive_at_cluster();
    } else {
        wait_for_predecessor();
        let_successor_start();
        Adding<Tile> adding(args, first_output);
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
