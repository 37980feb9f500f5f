// The likeliest tokens of a row of logits and what all weigh, for drawing one. One block: a
// vocabulary is a few hundred kilobytes, and the row is in the cache since its product wrote it.
//
// The logits are counted by their distance from the largest in steps of 1/64; the steps that hold
// the wanted number make the candidates, and those are sorted. Where they are not few (a flat row),
// there is no answer, and the host looks at all logits.
#include <cmath>

#include <cub/block/block_scan.cuh>

#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "logit_key.cuh"

namespace sipo::cuda {
namespace {

constexpr int threads = 1024;
constexpr int warps = threads / warp_size;
constexpr int steps_of_one = 64;
constexpr int bins = 2 * threads;
constexpr int candidates = threads;  // at most

__device__ int bin_of(float logit, float largest) {
    const float distance = (largest - logit) * static_cast<float>(steps_of_one);
    return distance < static_cast<float>(bins) ? static_cast<int>(distance) : bins;
}

template <typename Fn>
__device__ void for_numbers(const float* row, std::int64_t cols, const Fn& fn) {
#pragma unroll 4
    for (std::int64_t c = threadIdx.x; c < cols; c += threads) {
        const float logit = row[c];
        if (!isnan(logit)) fn(logit, static_cast<std::uint32_t>(c));
    }
}

__device__ float block_largest(float value, float* scratch) {
#pragma unroll
    for (int step = warp_size / 2; step > 0; step /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, step));
    }
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = value;
    __syncthreads();
    for (int w = 0; w < warps; ++w) value = fmaxf(value, scratch[w]);
    return value;
}

// In thread 0; always in the same order.
template <typename T>
__device__ T block_total(T value, T* scratch) {
#pragma unroll
    for (int step = warp_size / 2; step > 0; step /= 2) {
        value += __shfl_xor_sync(0xffffffffU, value, step);
    }
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = value;
    __syncthreads();
    T sum = 0;
    for (int w = 0; w < warps; ++w) sum += scratch[w];
    return sum;
}

// Descending.
__device__ void sort_keys(LogitKey (&keys)[candidates]) {
    const unsigned i = threadIdx.x;
    for (unsigned size = 2; size <= candidates; size *= 2) {
        for (unsigned step = size / 2; step > 0; step /= 2) {
            __syncthreads();
            const unsigned other = i ^ step;
            if (other < i) continue;
            const bool descending = (i & size) == 0;
            const LogitKey a = keys[i];
            const LogitKey b = keys[other];
            if ((a < b) == descending) {
                keys[i] = b;
                keys[other] = a;
            }
        }
    }
    __syncthreads();
}

// The first bin by whose end `count` logits have been counted; the last when there are fewer.
__device__ int last_bin(const int (&counts)[bins], int count, int* found) {
    using Scan = cub::BlockScan<int, threads>;
    __shared__ typename Scan::TempStorage storage;
    const int first = 2 * static_cast<int>(threadIdx.x);
    int before = 0;
    Scan(storage).ExclusiveSum(counts[first] + counts[first + 1], before);
    if (threadIdx.x == 0) *found = bins - 1;
    __syncthreads();
    for (int bin = first; bin < first + 2; ++bin) {
        if (before < count && before + counts[bin] >= count) *found = bin;
        before += counts[bin];
    }
    __syncthreads();
    return *found;
}

__global__ __launch_bounds__(threads) void rank_row(const float* row, std::int64_t cols, int count,
                                                    double temperature, RankedRow* out) {
    __shared__ float largest_scratch[warps];
    __shared__ double weight_scratch[warps];
    __shared__ int number_scratch[warps];
    __shared__ int counts[bins];
    __shared__ LogitKey keys[candidates];
    __shared__ int limit;
    __shared__ int found;
    wait_for_predecessor();
    let_successor_start();
    for (int i = threadIdx.x; i < bins; i += threads) counts[i] = 0;
    keys[threadIdx.x] = 0;
    if (threadIdx.x == 0) found = 0;
    float largest = -INFINITY;
    for_numbers(row, cols, [&](float logit, std::uint32_t) { largest = fmaxf(largest, logit); });
    largest = block_largest(largest, largest_scratch);
    double weight = 0.0;
    int numbers = 0;
    for_numbers(row, cols, [&](float logit, std::uint32_t) {
        const int bin = bin_of(logit, largest);
        if (bin < bins) atomicAdd(&counts[bin], 1);
        weight += exp((static_cast<double>(logit) - static_cast<double>(largest)) / temperature);
        ++numbers;
    });
    weight = block_total(weight, weight_scratch);
    numbers = block_total(numbers, number_scratch);
    const int last = last_bin(counts, count, &limit);
    for_numbers(row, cols, [&](float logit, std::uint32_t index) {
        if (bin_of(logit, largest) > last) return;
        const int place = atomicAdd(&found, 1);
        if (place < candidates) keys[place] = key_of(logit, index);
    });
    sort_keys(keys);
    const int listed = found <= candidates ? min(found, count) : 0;
    if (static_cast<int>(threadIdx.x) < listed) out->keys[threadIdx.x] = keys[threadIdx.x];
    if (threadIdx.x == 0) {
        out->weight = weight;
        out->numbers = numbers;
        out->listed = listed;
    }
}

}  // namespace

void rank(const float* row, std::int64_t cols, int count, double temperature, RankedRow* out,
          cudaStream_t s) {
    launch(s, 1, threads, 0, rank_row, row, cols, count, temperature, out);
}

void read_ranking(const RankedRow& row, Ranking& ranking) {
    ranking.best.clear();
    for (int i = 0; i < row.listed; ++i) {
        ranking.best.push_back({logit_of(row.keys[i]), index_of(row.keys[i])});
    }
    ranking.numbers = row.numbers;
    ranking.weight = row.weight;
}

}  // namespace sipo::cuda
