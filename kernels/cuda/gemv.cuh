// The core of a product of few rows with a matrix whose weights are read once: a warp an output,
// sixteen weights a lane and step, several steps under way. gemv.cu and mamba1_step.cu use it.
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
inline constexpr int ahead = 4;                           // steps under way

// The loads of `ahead` steps of a row; nothing past its end.
template <DType Type>
struct Ahead {
    typename WeightReader<Type>::Raw raw[ahead];
    __device__ void load(const Weights& w, std::int64_t row, std::int64_t first) {
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            const std::int64_t col = first + std::int64_t{i} * gemv_step;
            if (row < w.rows && col < w.stride) WeightReader<Type>::load(w, row, col, raw[i]);
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

// fn(output, products) for every output of this warp, with the products of `Count` rows in every
// lane. `next` holds the first loads of the warp's first output.
template <DType Type, int Count, typename Fn>
__device__ void for_products(const Weights& w, const float* inputs, int padded, Ahead<Type>& next,
                             const Fn& fn) {
    const int lane = threadIdx.x % warp_size;
    const std::int64_t own = lane * weights_at_once;
    const std::int64_t all_warps = std::int64_t{gridDim.x} * gemv_warps;
    std::int64_t output = std::int64_t{blockIdx.x} * gemv_warps + threadIdx.x / warp_size;
    for (; output < w.rows; output += all_warps) {
        float sums[Count] = {};
        for (std::int64_t first = 0; first < w.stride; first += ahead * gemv_step) {
            const Ahead<Type> now = next;
            const bool more = first + ahead * gemv_step < w.stride;
            next.load(w, more ? output : output + all_warps,
                      more ? first + ahead * gemv_step + own : own);
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                const std::int64_t start = first + std::int64_t{i} * gemv_step;
                if (start + own >= w.stride) continue;
#pragma unroll
                for (int r = 0; r < Count; ++r) {
                    const float* x = inputs + r * padded + start + lane * 4;
#pragma unroll
                    for (int q = 0; q < 4; ++q) {
                        const auto four =
                            *reinterpret_cast<const Pack<float, 4>*>(x + q * warp_size * 4);
#pragma unroll
                        for (int e = 0; e < 4; ++e) {
                            sums[r] +=
                                WeightReader<Type>::at(now.raw[i], 4 * q + e) * four.values[e];
                        }
                    }
                }
            }
        }
#pragma unroll
        for (int r = 0; r < Count; ++r) sums[r] = warp_sum(sums[r]);
        fn(output, sums);
    }
}

// Blocks that fill the current device, fewer where outputs are few.
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
    return std::min(blocks_for(outputs, gemv_warps), static_cast<unsigned>(processors * resident));
}

}  // namespace sipo::cuda
