// Stands for CUDA's runtime: what kernels and launchers use of it.
#pragma once
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "emu.hpp"

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(n) alignas(n)
#define __constant__
#define threadIdx (::emu::now->thread)
#define blockIdx (::emu::now->block)
static emu::Index3& blockDim [[maybe_unused]] = emu::block_dim;
static emu::Index3& gridDim [[maybe_unused]] = emu::grid_dim;
#define warpSize 32
#define clock() ::emu::clock_now()
#define clock64() static_cast<long long>(::emu::clock_now())

template <typename T, int N, std::size_t Align>
struct alignas(Align) EmuVec;
#define EMU_VEC(T, name, a)                                                                        \
    struct alignas(a / 2) name##2 { T x, y; };                                                     \
    struct name##3 { T x, y, z; };                                                                 \
    struct alignas(a < 16 ? a : 16) name##4 { T x, y, z, w; };                                     \
    inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                     \
    inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                             \
    inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMU_VEC(float, float, 16)
EMU_VEC(int, int, 16)
EMU_VEC(unsigned, uint, 16)
EMU_VEC(short, short, 8)
EMU_VEC(unsigned short, ushort, 8)
EMU_VEC(signed char, char, 4)
EMU_VEC(unsigned char, uchar, 4)
EMU_VEC(double, double, 32)
EMU_VEC(long long, longlong, 32)
EMU_VEC(unsigned long long, ulonglong, 32)
#undef EMU_VEC

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// --- device functions
inline void __syncthreads() { emu::sync_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffU) { emu::gather(mask, 0, 0); }
inline void __threadfence() { emu::flush_stores(); }
inline void __threadfence_block() {}
inline void __threadfence_system() { emu::flush_stores(); }
inline void __nanosleep(unsigned) { emu::yield(); }
inline unsigned __activemask() { return 0xffffffffU; }
inline std::size_t __cvta_generic_to_shared(const void* p) { return emu::shared_address(p); }

namespace emu {
template <typename T>
std::uint64_t to_bits(T v) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    return bits;
}
template <typename T>
T from_bits(std::uint64_t bits) {
    T v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}
inline int lane_now() { return static_cast<int>(now->thread.x % 32); }
}  // namespace emu

template <typename T>
T __shfl_sync(unsigned mask, T v, int lane, int width = 32) {
    const int from = emu::lane_now() / width * width + (lane & (width - 1));
    return emu::from_bits<T>(emu::gather(mask, emu::to_bits(v), 1)[from]);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T v, int step, int width = 32) {
    const int own = emu::lane_now(), from = own ^ step;
    const bool inside = from / width <= own / width && from < 32;
    return emu::from_bits<T>(emu::gather(mask, emu::to_bits(v), 100 + step)[inside ? from : own]);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T v, unsigned step, int width = 32) {
    const int own = emu::lane_now(), from = own - static_cast<int>(step);
    const bool inside = from >= own / width * width;
    return emu::from_bits<T>(emu::gather(mask, emu::to_bits(v), 200 + static_cast<int>(step))[inside ? from : own]);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T v, unsigned step, int width = 32) {
    const int own = emu::lane_now(), from = own + static_cast<int>(step);
    const bool inside = from < own / width * width + width;
    return emu::from_bits<T>(emu::gather(mask, emu::to_bits(v), 300 + static_cast<int>(step))[inside ? from : own]);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    const auto* all = emu::gather(mask, predicate != 0, 2);
    unsigned bits = 0;
    for (int i = 0; i < 32; ++i) bits |= (all[i] != 0 ? 1U : 0U) << i;
    return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == 0xffffffffU; }
template <typename T>
T emu_reduce(unsigned mask, T v, int kind, T (*both)(T, T)) {
    const auto* all = emu::gather(mask, emu::to_bits(v), kind);
    T sum = emu::from_bits<T>(all[0]);
    for (int i = 1; i < 32; ++i) sum = both(sum, emu::from_bits<T>(all[i]));
    return sum;
}
template <typename T> T __reduce_add_sync(unsigned m, T v) { return emu_reduce<T>(m, v, 3, [](T a, T b) { return static_cast<T>(a + b); }); }
template <typename T> T __reduce_max_sync(unsigned m, T v) { return emu_reduce<T>(m, v, 4, [](T a, T b) { return a > b ? a : b; }); }
template <typename T> T __reduce_min_sync(unsigned m, T v) { return emu_reduce<T>(m, v, 5, [](T a, T b) { return a < b ? a : b; }); }
template <typename T> T __reduce_or_sync(unsigned m, T v) { return emu_reduce<T>(m, v, 6, [](T a, T b) { return static_cast<T>(a | b); }); }
template <typename T> T __reduce_and_sync(unsigned m, T v) { return emu_reduce<T>(m, v, 7, [](T a, T b) { return static_cast<T>(a & b); }); }

template <typename T, typename V>
__attribute__((no_sanitize("thread"), noinline)) T atomicAdd(T* to, V v) {
    const T before = *to;
    *to = static_cast<T>(before + static_cast<T>(v));
    emu::progress();
    return before;
}
template <typename T, typename V>
__attribute__((no_sanitize("thread"), noinline)) T atomicExch(T* to, V v) {
    const T before = *to;
    *to = static_cast<T>(v);
    emu::progress();
    return before;
}
template <typename T, typename V>
__attribute__((no_sanitize("thread"), noinline)) T atomicMax(T* to, V v) {
    const T before = *to;
    *to = std::max<T>(before, static_cast<T>(v));
    emu::progress();
    return before;
}
template <typename T>
__attribute__((no_sanitize("thread"), noinline)) T atomicCAS(T* to, T expected, T v) {
    const T before = *to;
    if (before == expected) *to = v, emu::progress();
    return before;
}

template <typename T> T __ldg(const T* p) { return *p; }
template <typename T> T __ldca(const T* p) { return *p; }
template <typename T> T __ldcs(const T* p) { return *p; }
template <typename T> T __ldlu(const T* p) { return *p; }
template <typename T> T __ldcg(const T* p) {
    T v;
    emu::load_polled(&v, p, sizeof v);
    return v;
}
template <typename T> T __ldcv(const T* p) { return __ldcg(p); }
template <typename T> void __stcg(T* p, T v) { *p = v; emu::progress(); }
template <typename T> void __stcs(T* p, T v) { *p = v; }
template <typename T> void __stwt(T* p, T v) { *p = v; emu::progress(); }

inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline int __float_as_int(float v) { return std::bit_cast<int>(v); }
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned s) {
    const std::uint64_t both = static_cast<std::uint64_t>(y) << 32 | x;
    unsigned out = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned select = s >> 4 * i & 0xfU;
        unsigned byte = static_cast<unsigned>(both >> 8 * (select & 7)) & 0xffU;
        if ((select & 8) != 0) byte = (byte & 0x80U) != 0 ? 0xffU : 0;
        out |= byte << 8 * i;
    }
    return out;
}
inline int __popc(unsigned v) { return std::popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __clz(int v) { return std::countl_zero(static_cast<unsigned>(v)); }
inline float rsqrtf(float v) { return 1.0F / sqrtf(v); }
inline float __expf(float v) { return expf(v); }
inline float __logf(float v) { return logf(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0F / a; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __saturatef(float a) { return a < 0 ? 0.0F : (a > 1 ? 1.0F : a); }
#define __builtin_assume(x) ((void)0)
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
template <typename T = void>
void cudaGridDependencySynchronize() {}
template <typename T = void>
void cudaTriggerProgrammaticLaunchCompletion() {}

// --- the host's side
enum cudaError_t { cudaSuccess = 0, cudaErrorUnknown = 999 };
using cudaStream_t = struct EmuStream*;
enum cudaDeviceAttr {
    cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor, cudaDevAttrCooperativeLaunch,
    cudaDevAttrMultiProcessorCount, cudaDevAttrMaxSharedMemoryPerBlockOptin,
    cudaDevAttrMaxSharedMemoryPerMultiprocessor, cudaDevAttrClusterLaunch, cudaDevAttrReservedSharedMemoryPerBlock,
    cudaDevAttrL2CacheSize,
};
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
    switch (which) {
        case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
        case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
        case cudaDevAttrCooperativeLaunch: *value = 1; break;
        case cudaDevAttrClusterLaunch: *value = 1; break;
        case cudaDevAttrMultiProcessorCount: *value = emu::settings.multiprocessors; break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = emu::settings.shared_bytes; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = emu::settings.shared_bytes + 1024; break;
        case cudaDevAttrReservedSharedMemoryPerBlock: *value = 1024; break;
        case cudaDevAttrL2CacheSize: *value = 50 << 20; break;
    }
    return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) { *device = 0; return cudaSuccess; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "an error of the emulator"; }
enum cudaLaunchAttributeID {
    cudaLaunchAttributeCooperative, cudaLaunchAttributeClusterDimension,
    cudaLaunchAttributeProgrammaticStreamSerialization,
    cudaLaunchAttributeClusterSchedulingPolicyPreference,
};
enum cudaClusterSchedulingPolicy { cudaClusterSchedulingPolicyDefault, cudaClusterSchedulingPolicySpread, cudaClusterSchedulingPolicyLoadBalancing };
struct cudaLaunchAttributeValue {
    int cooperative;
    int programmaticStreamSerializationAllowed;
    struct { unsigned x, y, z; } clusterDim;
    cudaClusterSchedulingPolicy clusterSchedulingPolicyPreference;
};
struct cudaLaunchAttribute {
    cudaLaunchAttributeID id;
    cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    std::size_t dynamicSmemBytes = 0;
    cudaStream_t stream = nullptr;
    cudaLaunchAttribute* attrs = nullptr;
    unsigned numAttrs = 0;
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize, cudaFuncAttributeNonPortableClusterSizeAllowed, cudaFuncAttributePreferredSharedMemoryCarveout };
template <typename F>
cudaError_t cudaFuncSetAttribute(F, cudaFuncAttribute, int) { return cudaSuccess; }
template <typename F>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* n, F, int, std::size_t) { *n = 1; return cudaSuccess; }
template <typename F>
cudaError_t cudaOccupancyMaxActiveClusters(int* n, F, const cudaLaunchConfig_t* config) {
    unsigned cluster = 1;
    for (unsigned i = 0; i < config->numAttrs; ++i)
        if (config->attrs[i].id == cudaLaunchAttributeClusterDimension) cluster = config->attrs[i].val.clusterDim.x;
    *n = emu::settings.multiprocessors / static_cast<int>(cluster);
    return cudaSuccess;
}
template <typename F>
cudaError_t cudaOccupancyMaxPotentialClusterSize(int* n, F, const cudaLaunchConfig_t*) { *n = 16; return cudaSuccess; }
template <typename... Params, typename... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...), Args&&... args) {
    unsigned cluster = static_cast<unsigned>(emu::settings.cluster);
    for (unsigned i = 0; i < config->numAttrs; ++i)
        if (config->attrs[i].id == cudaLaunchAttributeClusterDimension) cluster = config->attrs[i].val.clusterDim.x;
    if (config->dynamicSmemBytes > static_cast<std::size_t>(emu::settings.shared_bytes)) {
        std::printf("FAIL engine: %zu bytes of shared memory\n", config->dynamicSmemBytes);
        std::_Exit(2);
    }
    const std::tuple<Params...> held(std::forward<Args>(args)...);
    emu::launch(config->gridDim.x, config->blockDim.x, cluster, config->dynamicSmemBytes,
                [&] { std::apply(kernel, held); });
    return cudaSuccess;
}
