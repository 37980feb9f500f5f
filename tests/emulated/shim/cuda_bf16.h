// Stands for CUDA's header: bf16 with rounding to nearest even.
#pragma once
#include "cuda_runtime.h"

struct __nv_bfloat16 {
    unsigned short __x;
    __nv_bfloat16() = default;
    __nv_bfloat16(float v) : __x(round(v)) {}
    operator float() const { return std::bit_cast<float>(static_cast<unsigned>(__x) << 16); }

private:
    static unsigned short round(float v) {
        const auto bits = std::bit_cast<unsigned>(v);
        if ((bits & 0x7fffffffU) > 0x7f800000U) return 0x7fff;
        return static_cast<unsigned short>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
    }
};
struct alignas(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};
inline float __bfloat162float(__nv_bfloat16 v) { return v; }
inline __nv_bfloat16 __float2bfloat16(float v) { return {v}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) { return v.__x; }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {{a}, {b}}; }
