// The core of a product of few rows with a matrix whose weights are read once: a warp an output,
// sixteen weights a lane and step, the steps of a row asked for together. gemv.cu and mamba1_step.cu use it.
#pragma once

#include <algorithm>

#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "weights.cuh"

namespace sipo::cuda {

inline constexpr int gemv_threads = 256;
inline constexpr int gemv_warps = gemv_threads / warp_size;
inline constexpr int gemv_step = warp_size * weights_at_once;  // weights a warp takes at once

// `Steps` steps of a row, all asked for at once; nothing past the row's end. Several warps on each
// scheduler do the rest: while one waits, others multiply.
template <DType Type, int Steps>
struct RowPart {
    typename WeightReader<Type>::Raw raw[Steps];
    __device__ void load(const Weights& w, std::int64_t row, int first) {
        if (row >= w.rows) return;
#pragma unroll
        for (int i = 0; i < Steps; ++i) {
            const int col = first + i * gemv_step + threadIdx.x % warp_size * weights_at_once;
            if (col < w.stride) WeightReader<Type>::load(w, row, col, raw[i]);
        }
    }
};

// The inputs lie so that the lanes of a warp, each reading four floats of its sixteen, touch all
// banks: quarter q of lane l's sixteen at [q][l].
__device__ inline int input_place(int col) {
    const int in_step = col % gemv_step;
    const int lane = in_step / weights_at_once;
    const int quarter = in_step % weights_at_once / 4;
    return col / gemv_step * gemv_step + (quarter * warp_size + lane) * 4 + col % 4;
}

// Columns of the inputs in shared memory: whole steps, zeros past the matrix's end.
[[nodiscard]] inline int padded_inputs(const Weights& weights) {
    return static_cast<int>((weights.stride + gemv_step - 1) / gemv_step * gemv_step);
}

// sum += a step's weights · inputs, where `x` points to the lane's first four.
template <DType Type>
__device__ void add_step(const typename WeightReader<Type>::Raw& raw, const float* x, float& sum) {
#pragma unroll
    for (int q = 0; q < 4; ++q) {
        const auto four = *reinterpret_cast<const Pack<float, 4>*>(x + q * warp_size * 4);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            sum += WeightReader<Type>::at(raw, 4 * q + e) * four.values[e];
        }
    }
}

[[nodiscard]] __device__ inline std::int64_t first_output() {
    return std::int64_t{blockIdx.x} * gemv_warps + threadIdx.x / warp_size;
}

// fn(output, products) for every output of this warp, with the products of `Count` rows in every
// lane. `part` holds the beginning of the first output's row.
template <DType Type, int Count, int Steps, typename Fn>
__device__ void for_products(const Weights& w, const float* inputs, int padded,
                             RowPart<Type, Steps>& part, const Fn& fn) {
    const int lane = threadIdx.x % warp_size;
    const std::int64_t all_warps = std::int64_t{gridDim.x} * gemv_warps;
    for (std::int64_t output = first_output(); output < w.rows; output += all_warps) {
        float sums[Count] = {};
        for (int first = 0; first < w.stride; first += Steps * gemv_step) {
            if (first > 0 || output != first_output()) part.load(w, output, first);
#pragma unroll
            for (int i = 0; i < Steps; ++i) {
                const int start = first + i * gemv_step;
                if (start + lane * weights_at_once >= w.stride) continue;
#pragma unroll
                for (int r = 0; r < Count; ++r) {
                    add_step<Type>(part.raw[i], inputs + r * padded + start + lane * 4, sums[r]);
                }
            }
        }
#pragma unroll
        for (int r = 0; r < Count; ++r) sums[r] = warp_sum(sums[r]);
        fn(output, sums);
    }
}

// run.template operator()<Steps>() with the number of steps that divides a row best.
template <typename Run>
void for_steps(const Weights& weights, const Run& run) {
    const std::int64_t steps = (weights.stride + gemv_step - 1) / gemv_step;
    if (steps % 5 == 0) return run.template operator()<5>();
    if (steps % 4 == 0) return run.template operator()<4>();
    if (steps % 3 == 0) return run.template operator()<3>();
    run.template operator()<2>();
}

// Blocks of a product: a multiple of the multiprocessors, so that all have the same work, of which
// the one is taken that leaves the fewest warps idle in the last round of outputs; one block less
// than the device holds, in whose place the next kernel can already ask for its weights.
template <typename Kernel>
[[nodiscard]] unsigned gemv_blocks(Kernel* kernel, std::size_t shared_bytes, std::int64_t outputs) {
    int device = 0;
    int processors = 0;
    int resident = 0;
    check(cudaGetDevice(&device), "the current device");
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
          "the number of multiprocessors");
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, gemv_threads,
                                                        shared_bytes),
          "the blocks of a multiprocessor");
    std::int64_t best = processors;
    double best_share = 0.0;
    for (int k = 1; k <= std::max(resident - 1, 1); ++k) {
        const std::int64_t warps = std::int64_t{k} * processors * gemv_warps;
        const std::int64_t rounds = (outputs + warps - 1) / warps;
        const double share = static_cast<double>(outputs) / static_cast<double>(rounds * warps);
        if (share < best_share) continue;
        best_share = share;
        best = std::int64_t{k} * processors;
    }
    return std::min(blocks_for(outputs, gemv_warps), static_cast<unsigned>(best));
}

}  // namespace sipo::cuda
