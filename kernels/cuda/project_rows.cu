// x_proj of a step of several sequences on Hopper.
//
// Few outputs of many inputs: the eight blocks of a cluster have sixteen outputs together and an
// eighth of the inputs each. All tiles are asked for at once, the weights before the predecessor has
// ended; each block brings the sums of eight rows together. The successor may start when the inputs
// are asked for: what it asks for itself comes behind them, since a launch takes longer.
#include "project_rows.hpp"

#include "cluster.cuh"
#include "device_math.cuh"
#include "four.cuh"
#include "launch.hpp"
#include "tensor_core.cuh"
#include "tile_ring.cuh"

namespace sipo::cuda {
namespace {

constexpr int cluster_blocks = 8;
constexpr int threads = 4 * warp_size;
// Of the widest public model; more would take the scan's blocks their room beside this one.
constexpr int max_stages = 10;
constexpr int weight_bytes = project_rows_tile * tile_row_bytes;

struct Shared {
    alignas(1024) unsigned char in[max_stages][in_tile_bytes];
    alignas(1024) unsigned char weights[max_stages][weight_bytes];
    float4 sums[cluster_blocks][warp_size];  // of the block's rows, by blocks
    ByteBarrier weights_full;
    ByteBarrier in_full[max_stages];
    ByteBarrier arrived;
};

#if __CUDA_ARCH__ >= 900

// These three by one thread.
__device__ void init_barriers(Shared& shared, int stages) {
    init_barrier(&shared.weights_full, 1);
    init_barrier(&shared.arrived, 1);
    for (int stage = 0; stage < stages; ++stage) init_barrier(&shared.in_full[stage], 1);
    publish_barriers();
    expect_bytes(&shared.arrived, sizeof shared.sums);
}
__device__ void ask_weights(Shared& shared, const ProjectRowsArgs& args, const TilePart& part,
                            int first_output) {
    expect_bytes(&shared.weights_full, static_cast<std::uint32_t>(part.stages * weight_bytes));
    for (int stage = 0; stage < part.stages; ++stage) {
        copy_tile(shared.weights[stage], args.weights, part.column(stage), first_output,
                  &shared.weights_full);
    }
}
__device__ void ask_inputs(Shared& shared, const ProjectRowsArgs& args, const TilePart& part) {
    const int bytes = in_eights(args.rows) * tile_row_bytes;
    for (int stage = 0; stage < part.stages; ++stage) {
        expect_bytes(&shared.in_full[stage], static_cast<std::uint32_t>(bytes));
        copy_tile(shared.in[stage], args.in, part.column(stage), 0, &shared.in_full[stage]);
    }
}

__device__ void multiply(Shared& shared, int stages, float (&sums)[project_rows_tile / 2]) {
    wait_barrier(&shared.weights_full, 0);
    for (int stage = 0; stage < stages; ++stage) {
        wait_barrier(&shared.in_full[stage], 0);
        begin_products();
        multiply_tiles<project_rows_tile>(sums, shared.in[stage], shared.weights[stage]);
        end_products();
    }
    wait_products<0>();
}

// A warp's sixteen rows to the two blocks that bring them together.
__device__ void send(Shared& shared, const float (&sums)[project_rows_tile / 2]) {
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    float4* place = &shared.sums[cluster_rank()][threadIdx.x % warp_size];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int owner = 2 * warp + half;
        send_four(address_in_block(place, owner),
                  {sums[2 * half], sums[2 * half + 1], sums[4 + 2 * half], sums[5 + 2 * half]},
                  address_in_block(&shared.arrived, owner));
    }
}

// The block's rows, by a warp, in the order of the inputs.
__device__ void add_up(Shared& shared, const ProjectRowsArgs& args, int first_output) {
    wait_barrier_of_cluster(&shared.arrived, 0);
    const float4 sum = add_blocks(shared.sums, static_cast<int>(threadIdx.x));
    const int row = cluster_rank() * 8 + operand_row();
    if (row >= args.rows) return;
    bf16* to = args.out.row(row) + first_output + operand_column();
    store_pair(to, {sum.x, sum.y});
    store_pair(to + 8, {sum.z, sum.w});
}

#endif

__global__ __launch_bounds__(threads) void project_few(
    const __grid_constant__ ProjectRowsArgs args) {
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(1024) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared*>(memory);
    const int stages = args.inputs / (cluster_blocks * map_columns);
    const TilePart part{cluster_rank() * stages * map_columns, stages};
    const int first_output = static_cast<int>(blockIdx.x) / cluster_blocks * project_rows_tile;
    if (threadIdx.x == 0) {
        init_barriers(shared, stages);
        ask_weights(shared, args, part, first_output);
    }
    __syncthreads();
    arrive_at_cluster();
    wait_for_predecessor();
    if (threadIdx.x == 0) ask_inputs(shared, args, part);
    __syncwarp();
    let_successor_start();
    float sums[project_rows_tile / 2] = {};
    multiply(shared, stages, sums);
    wait_for_cluster();  // all have their barriers
    send(shared, sums);
    arrive_at_cluster();
    if (threadIdx.x < warp_size) add_up(shared, args, first_output);
    __syncwarp();
    wait_for_cluster();  // what the block has sent has arrived
#endif
}

}  // namespace

bool fits_project_rows(std::int64_t outputs, std::int64_t inputs) {
    return outputs % project_rows_tile == 0 && inputs % (cluster_blocks * map_columns) == 0 &&
           inputs <= max_stages * cluster_blocks * map_columns;
}

void project_rows(const ProjectRowsArgs& args, cudaStream_t s) {
    allow_shared(project_few, sizeof(Shared));
    const int clusters = args.outputs / project_rows_tile;
    launch_clusters(s, cluster_blocks, dim3(static_cast<unsigned>(clusters * cluster_blocks)),
                    threads, sizeof(Shared), project_few, args);
}

}  // namespace sipo::cuda
