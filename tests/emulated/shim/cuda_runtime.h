// Stands for CUDA's header: what kernels use of its language and library. cuda_host.h: what launches them.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda_host.h"
#include "emulator.hpp"

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (::emulator::current.thread->thread)
#define blockIdx (::emulator::current.thread->block)
// Members of a launch's configuration have these names, too: they are no macros.
inline constexpr const emulator::Index3& blockDim = emulator::current.block_dim;
inline constexpr const emulator::Index3& gridDim = emulator::current.grid_dim;

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

inline void __syncthreads() { emulator::sync_block(); }
inline void __syncwarp() { emulator::gather(0xffffffffU, 0, emulator::sync_of_warp); }
inline void __threadfence() { emulator::flush_stores(); }
inline void __nanosleep(unsigned) { emulator::yield(); }

// A shuffle among the `width` lanes around the thread's: what lane `from(lane)` has. `kind` differs from that of
// other shuffles.
template <typename T, typename From>
T shuffle(unsigned mask, T v, int kind, int width, const From& from) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    const std::uint64_t* all = emulator::gather(mask, bits, kind);
    const int own = static_cast<int>(threadIdx.x % 32), other = from(own);
    const bool inside = other >= own / width * width && other < own / width * width + width;
    std::memcpy(&v, all + (inside ? other : own), sizeof v);
    return v;
}
template <typename T>
T __shfl_sync(unsigned mask, T v, int lane, int width = 32) {
    return shuffle(mask, v, 1, width, [&](int own) { return own / width * width + lane % width; });
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T v, int step, int width = 32) {
    return shuffle(mask, v, 100 + step, width, [&](int own) { return own ^ step; });
}
template <typename T>
T __shfl_up_sync(unsigned mask, T v, int step, int width = 32) {
    return shuffle(mask, v, 200 + step, width, [&](int own) { return own - step; });
}
template <typename T>
T __shfl_down_sync(unsigned mask, T v, int step, int width = 32) {
    return shuffle(mask, v, 300 + step, width, [&](int own) { return own + step; });
}

// Not instrumented: an atomic access is no race.
template <typename T>
__attribute__((no_sanitize("thread"), noinline)) T atomicAdd(T* to, std::type_identity_t<T> v) {
    const T before = *to;
    *to = before + v;
    emulator::progress();
    return before;
}
// What is read past the first cache is what others may still be writing.
template <typename T>
T __ldcg(const T* p) {
    T v;
    emulator::load_polled(&v, p, sizeof v);
    return v;
}

template <typename T>
void __stcs(T* to, T v) {
    *to = v;
}

using std::max, std::min;
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
// Without the selectors' sign bits.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selectors) {
    const std::uint64_t both = std::uint64_t{y} << 32 | x;
    unsigned out = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned byte = selectors >> 4 * i & 7U;
        out |= static_cast<unsigned>(both >> 8 * byte & 0xffU) << 8 * i;
    }
    return out;
}
inline float rsqrtf(float v) { return 1.0F / sqrtf(v); }
inline float __expf(float v) { return expf(v); }
inline float __logf(float v) { return logf(v); }
inline void cudaGridDependencySynchronize() {}
inline void cudaTriggerProgrammaticLaunchCompletion() {}
