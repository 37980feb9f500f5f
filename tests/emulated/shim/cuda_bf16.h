// bf16 with rounding to nearest even.
#pragma once
#include "cuda_runtime.h"

struct __nv_bfloat16 {
    unsigned short __x;
    __nv_bfloat16() = default;
    __nv_bfloat16(float v) : __x(round(v)) {}
    operator float() const { return std::bit_cast<float>(static_cast<unsigned>(__x) << 16); }
    static unsigned short round(float v) {
        const auto bits = std::bit_cast<unsigned>(v);
        if ((bits & 0x7fffffffU) > 0x7f800000U) return 0x7fff;
        return static_cast<unsigned short>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
    }
};
struct alignas(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;
inline float __bfloat162float(__nv_bfloat16 v) { return static_cast<float>(v); }
inline __nv_bfloat16 __float2bfloat16(float v) { return {v}; }
inline __nv_bfloat16 __float2bfloat16_rn(float v) { return {v}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) { return v.__x; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short v) {
    __nv_bfloat16 out;
    out.__x = v;
    return out;
}
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {{a}, {b}}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return {{v.x}, {v.y}}; }
inline __nv_bfloat162 __float2bfloat162_rn(float v) { return {{v}, {v}}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return {a, a}; }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {v.x, v.y}; }
inline float __low2float(__nv_bfloat162 v) { return v.x; }
inline float __high2float(__nv_bfloat162 v) { return v.y; }
inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 v) { return v.x; }
inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 v) { return v.y; }
inline __nv_bfloat162 __hfma2(__nv_bfloat162 a, __nv_bfloat162 b, __nv_bfloat162 c) {
    return {{fmaf(a.x, b.x, c.x)}, {fmaf(a.y, b.y, c.y)}};
}
inline __nv_bfloat162 __hadd2(__nv_bfloat162 a, __nv_bfloat162 b) {
    return {{static_cast<float>(a.x) + static_cast<float>(b.x)}, {static_cast<float>(a.y) + static_cast<float>(b.y)}};
}
inline __nv_bfloat162 __hmul2(__nv_bfloat162 a, __nv_bfloat162 b) {
    return {{static_cast<float>(a.x) * static_cast<float>(b.x)}, {static_cast<float>(a.y) * static_cast<float>(b.y)}};
}
