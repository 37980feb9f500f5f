// The core of a product of few rows with a matrix whose weights are read once: a warp an output,
// sixteen weights a lane and step, several steps under way in a ring of
// registers that runs on from one output to the next. gemv.cu and mamba1_step.cu use it.
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

// The next `ahead` steps of a warp's outputs, one after the other, in registers.
template <DType Type>
class Ring {
public:
    __device__ explicit Ring(const Weights& w)
        : output_(std::int64_t{blockIdx.x} * gemv_warps + threadIdx.x / warp_size) {
#pragma unroll
        for (int i = 0; i < ahead; ++i) refill(w, i);
    }
    // Asks for the step after the last one that was asked for.
    __device__ void refill(const Weights& w, int slot) {
        const std::int64_t col = first_ + threadIdx.x % warp_size * weights_at_once;
        if (output_ < w.rows && col < w.stride) {
            WeightReader<Type>::load(w, output_, col, raw_[slot]);
        }
        first_ += gemv_step;
        if (first_ < w.stride) return;
        first_ = 0;
        output_ += std::int64_t{gridDim.x} * gemv_warps;
    }
    [[nodiscard]] __device__ const auto& slot(int i) const { return raw_[i]; }

private:
    typename WeightReader<Type>::Raw raw_[ahead];
    std::int64_t output_;
    std::int64_t first_ = 0;
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

// fn(output, products) for every output of this warp, with the products of `Count` rows in every
// lane.
template <DType Type, int Count, typename Fn>
__device__ void for_products(const Weights& w, const float* inputs, int padded, Ring<Type>& ring,
                             const Fn& fn) {
    const int lane = threadIdx.x % warp_size;
    std::int64_t output = std::int64_t{blockIdx.x} * gemv_warps + threadIdx.x / warp_size;
    int start = 0;
    float sums[Count] = {};
    while (true) {
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            if (output >= w.rows) return;
            if (start + lane * weights_at_once < w.stride) {
#pragma unroll
                for (int r = 0; r < Count; ++r) {
                    add_step<Type>(ring.slot(i), inputs + r * padded + start + lane * 4, sums[r]);
                }
            }
            ring.refill(w, i);
            start += gemv_step;
            if (start < w.stride) continue;
#pragma unroll
            for (int r = 0; r < Count; ++r) sums[r] = warp_sum(sums[r]);
            fn(output, sums);
#pragma unroll
            for (int r = 0; r < Count; ++r) sums[r] = 0.0F;
            start = 0;
            output += std::int64_t{gridDim.x} * gemv_warps;
        }
    }
}

// Blocks of a product: as many as the device holds less one a multiprocessor, in whose place the
// next kernel can already ask for its weights; fewer where outputs are few.
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
    const int own = processors * std::max(resident - 1, 1);
    return std::min(blocks_for(outputs, gemv_warps), static_cast<unsigned>(own));
}

}  // namespace sipo::cuda
