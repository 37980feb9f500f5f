// A test of what the old kernel does not use. main() is here: RUN=none ./build.sh primitives.cu primitives [-i] [-DSPOIL=n]
#include <cuda_runtime.h>

#include "bulk_copy.cuh"
#include "cluster.cuh"
#include "device_math.cuh"
#include "relaxed.cuh"

#ifndef SPOIL
#define SPOIL 0
#endif

using namespace sipo::cuda;
#ifndef SIZES
#define SIZES 96, cluster = 4, blocks = 8
#endif
constexpr int threads = SIZES, rounds = 5;

struct Args {
    const float* in;  // [blocks][threads * 4]
    float* out;       // [blocks][threads]
    std::uint32_t* flags;
};

__global__ void test(const __grid_constant__ Args args) {
    extern __shared__ __align__(128) unsigned char memory[];
    __shared__ float scratch[threads];
    __shared__ float pairs[2 * cluster];
    auto* mail_full = reinterpret_cast<ByteBarrier*>(memory);
    auto* tile_full = mail_full + 1;
    auto* mail = reinterpret_cast<std::uint32_t*>(memory + 128);    // [cluster]
    auto* tile = reinterpret_cast<float*>(memory + 256);            // [threads * 4]
    auto* other = reinterpret_cast<float*>(memory + 256 + 16 * threads);
    const int t = threadIdx.x, rank = cluster_rank();
    if (t == 0) {
        init_barrier(mail_full, 1);
        init_barrier(tile_full, threads);
        publish_barriers();
    }
    if (SPOIL != 1) {
        arrive_at_cluster();
        wait_for_cluster();
    }
    const float* in = args.in + blockIdx.x * threads * 4;
    float sum = 0;
    for (int round = 0; round < rounds; ++round) {
        // Words to all blocks of the cluster.
        if (t == 0 && SPOIL != 2) expect_bytes(mail_full, cluster * 4);
        if (t < cluster) send_word(address_in_block(mail + rank, t), blockIdx.x * 100U + round, address_in_block(mail_full, t));
        // A tile, of which each thread reads what another copied.
        copy_async(tile + t * 4, in + t * 4, true);
        if (SPOIL == 11 && t == 7) tile[t * 4] = 1.0F;
        if (SPOIL == 12 && t == 7) copy_async(tile + t * 4, in, true);
        if (SPOIL == 13 && t == 7) store_remote(tile + t * 4, (rank + 1) % cluster, 1.0F, 1.0F);
        if (SPOIL != 3) arrive_when_copied(tile_full);
        if (SPOIL == 4) arrive_when_copied(tile_full);
        copy_few_async<4>(other + t, in + t);
        end_copy_group();
        copy_async(other + threads + t * 4, in + t * 4, t % 2 == 0);
        end_copy_group();
        if (SPOIL != 5) wait_copy_groups<1>();
        sum += other[t];
        wait_copy_groups<0>();
        sum += other[threads + t * 4 + 3];
        if (SPOIL != 6) wait_barrier(tile_full, round & 1);
        sum += tile[(t * 4 + 17) % (threads * 4)];
        if (SPOIL != 7) wait_barrier_of_cluster(mail_full, round & 1);
        for (int r = 0; r < cluster; ++r) sum += mail[r];
        // Named barriers of two groups.
        if (t < 64) {
            sync_some_as<2, 64>();
            scratch[t] = static_cast<float>(t);
            if (SPOIL != 8) sync_some_as<2, 64>();
            sum += scratch[63 - t];
        } else {
            sync_some_as<3, threads - 64>();
        }
        // A float pair to the next block of the cluster.
        if (t == 5) store_remote(pairs + 2 * rank, (rank + 1) % cluster, 1.0F * rank + round, 2.0F);
        arrive_at_cluster();
        if (SPOIL != 9) wait_for_cluster();
        sum += pairs[2 * ((rank + cluster - 1) % cluster)];
        if (SPOIL == 9) wait_for_cluster();
        if (SPOIL != 10) {
            arrive_at_cluster();
            wait_for_cluster();
        }
        // Flags over all blocks.
        if (t == 0) store_relaxed(args.flags + blockIdx.x * 4, round + 1U);
        if (t < blocks) {
            const std::uint32_t begin = clock_now();
            while (load_relaxed(args.flags + t * 4).x < round + 1U) __nanosleep(20);
            if (clock_now() == begin) sum += 1e9F;
        }
        sum += warp_sum(1.0F) + __shfl_sync(0xffffffffU, static_cast<float>(t), 3) - t / 32 * 32;
        if (SPOIL != 10) __syncthreads();
    }
    args.out[blockIdx.x * threads + t] = sum;
}

int main(int count, char** words) {
    emu::settings.seed = count > 2 ? std::strtoull(words[2], nullptr, 0) : 1;
    if (count > 1) emu::settings.mode = words[1][0] == 'r' && words[1][1] == 'r' ? emu::Mode::round_robin : words[1][0] == 's' ? emu::Mode::skew : emu::Mode::random;
    emu::settings.patience = 1'000'000;
    emu::watch(60);
    std::vector<float> out(blocks * threads, -1);
    std::vector<std::uint32_t> flags_(blocks * 4 + 4);
    auto* in = static_cast<float*>(std::aligned_alloc(256, blocks * threads * 16));
    auto* flags = static_cast<std::uint32_t*>(std::aligned_alloc(256, 256));
    std::memset(flags, 0, 256);
    for (int i = 0; i < blocks * threads * 4; ++i) in[i] = static_cast<float>(i % 1009);
    const Args args{in, out.data(), flags};
    cudaLaunchAttribute a{};
    a.id = cudaLaunchAttributeClusterDimension;
    a.val.clusterDim = {cluster, 1, 1};
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = 256 + 16 * threads * 3;
    config.attrs = &a;
    config.numAttrs = 1;
    cudaLaunchKernelEx(&config, test, args);
    int wrong = 0;
    for (int b = 0; b < blocks; ++b) {
        for (int t = 0; t < threads; ++t) {
            const float* own = in + b * threads * 4;
            float want = 0;
            for (int round = 0; round < rounds; ++round) {
                want += own[t];
                want += t % 2 == 0 ? own[t * 4 + 3] : 0;
                want += own[(t * 4 + 17) % (threads * 4)];
                for (int r = 0; r < cluster; ++r) want += (b / cluster * cluster + r) * 100.0F + round;
                if (t < 64) want += 63.0F - t;
                want += (b % cluster + cluster - 1) % cluster + round;
                want += 35;
            }
            if (!(out[b * threads + t] == want)) ++wrong;
        }
    }
    std::printf("%s primitives: %d wrong, %d errors\n", wrong == 0 && emu::total.errors == 0 ? "PASS" : "FAIL", wrong, emu::total.errors);
    return wrong == 0 && emu::total.errors == 0 ? 0 : 1;
}
