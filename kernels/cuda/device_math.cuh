// What every kernel file uses: element types, 16-byte packs, sums over a warp and a block, and the
// functions of the equations. Device code only.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace sipo::cuda {

using bf16 = __nv_bfloat16;

inline constexpr float log2_e = 1.4426950408889634F;
inline constexpr int warp_size = 32;

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(bf16 value) { return __bfloat162float(value); }

template <typename T>
__device__ T from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
    return value;
}
template <>
__device__ inline bf16 from_float<bf16>(float value) {
    return __float2bfloat16(value);
}

// As many elements as one wide load takes; `Width` 1 where a row does not lie on 16-byte borders.
template <typename T, int Width>
struct alignas(sizeof(T) * Width) Pack {
    T values[Width];
};
template <typename T>
inline constexpr int wide = 16 / static_cast<int>(sizeof(T));

// A kernel starts before its predecessor in the stream has ended (programmatic dependent launch):
// it may read weights, and calls this before anything that a predecessor writes or reads. Every
// kernel calls it, so that what one waited for all its successors have waited for.
__device__ inline void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
    cudaGridDependencySynchronize();
#endif
}
// Lets the successor start: this kernel's blocks are all running and its loads are under way.
__device__ inline void let_successor_start() {
#if __CUDA_ARCH__ >= 900
    cudaTriggerProgrammaticLaunchCompletion();
#endif
}

__device__ inline float warp_sum(float value) {
#pragma unroll
    for (int step = warp_size / 2; step > 0; step /= 2) {
        value += __shfl_xor_sync(0xffffffffU, value, step);
    }
    return value;
}

// The sum over a block, in every thread. `scratch` holds a float a warp.
__device__ inline float block_sum(float value, float* scratch) {
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    value = warp_sum(value);
    __syncthreads();
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = value;
    __syncthreads();
    float sum = 0.0F;
    for (int w = 0; w < warps; ++w) sum += scratch[w];
    return sum;
}

// exp2 and 1 / v as their unit gives them, to 2 ulp, subnormals as zero.
__device__ inline float quick_exp2(float v) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(v));
    return result;
}
__device__ inline float quick_reciprocal(float v) {
    float result;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(v));
    return result;
}

// SiLU(v) = v / (1 + exp(−v)). T is what the result is rounded to: bf16 takes the quick functions.
template <typename T>
__device__ float silu(float v);
template <>
__device__ inline float silu<float>(float v) {
    return v / (1.0F + expf(-v));
}
template <>
__device__ inline float silu<bf16>(float v) {
    return v * quick_reciprocal(1.0F + quick_exp2(-log2_e * v));
}

// softplus(v) = ln(1 + exp(v)), the identity above 20.
template <typename T>
__device__ float softplus(float v);
template <>
__device__ inline float softplus<float>(float v) {
    return v > 20.0F ? v : log1pf(expf(v));
}
// ln(1 + e) loses the low bits of a small e, and Δ is small: a series serves there.
template <>
__device__ inline float softplus<bf16>(float v) {
    const float e = __expf(v);
    const float small = e * (1.0F - e * (0.5F - e * (1.0F / 3.0F - e * 0.25F)));
    return v > 20.0F ? v : (e < 0.05F ? small : __logf(1.0F + e));
}

// Between the bounds; a NaN stays one.
__device__ inline float clamp_keeping_nan(float v, float low, float high) {
    return v < low ? low : (v > high ? high : v);
}

// exp2 of the decay's exponent. The unit's own function is good to 2 ulp; f32 keeps subnormals.
template <typename T>
__device__ float decay_exp2(float v);
template <>
__device__ inline float decay_exp2<float>(float v) {
    return exp2f(v);
}
template <>
__device__ inline float decay_exp2<bf16>(float v) {
    return quick_exp2(v);
}

}  // namespace sipo::cuda
