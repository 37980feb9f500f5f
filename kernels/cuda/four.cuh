// Four neighbouring elements, as most kernels of a step take them, and two: one load, one store.
#pragma once

#include "device_math.cuh"

namespace sipo::cuda {

using Four = Pack<float, 4>;

__device__ inline Four load_four(const float* from) { return *reinterpret_cast<const Four*>(from); }
// One load, where the compiler makes four of a Pack.
__device__ inline Four load_four(const bf16* from) {
    const uint2 raw = *reinterpret_cast<const uint2*>(from);
    constexpr std::uint32_t high = 0xffff0000U;
    return {__uint_as_float(raw.x << 16), __uint_as_float(raw.x & high),
            __uint_as_float(raw.y << 16), __uint_as_float(raw.y & high)};
}
__device__ inline void store_four(float* to, const Four& values) {
    *reinterpret_cast<Four*>(to) = values;
}
__device__ inline void store_four(bf16* to, const Four& values) {
    *reinterpret_cast<Pack<bf16, 4>*>(to) = {
        from_float<bf16>(values.values[0]), from_float<bf16>(values.values[1]),
        from_float<bf16>(values.values[2]), from_float<bf16>(values.values[3])};
}
// Past the multiprocessor's own cache, which does not hear of what others write.
__device__ inline Four load_fresh(const float* from) {
    const float4 v = __ldcg(reinterpret_cast<const float4*>(from));
    return {v.x, v.y, v.z, v.w};
}
// What no kernel reads soon: the cache may let go of it first.
__device__ inline void store_passing(float* to, const Four& values) {
    __stcs(reinterpret_cast<float4*>(to), *reinterpret_cast<const float4*>(&values));
}

// Two, as the tensor cores' sums have neighbours.
__device__ inline float2 load_pair(const float* from) {
    return *reinterpret_cast<const float2*>(from);
}
__device__ inline void store_pair(bf16* to, float2 pair) {
    *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(pair.x, pair.y);
}

}  // namespace sipo::cuda
