// Reading weights as they lie on the device: sixteen neighbours of a row at a time, as floats.
#pragma once

#include "base/dtype.hpp"
#include "device_math.cuh"
#include "kernels.hpp"

namespace sipo::cuda {

inline constexpr int weights_at_once = 16;
inline constexpr int block_size = 32;  // weights that share a scale

template <DType Type>
struct WeightReader;

template <>
struct WeightReader<DType::f32> {
    using Raw = Pack<float, 4>[4];
    __device__ static void load(const Weights& w, std::int64_t row, std::int64_t col, Raw& raw) {
        const auto* from = static_cast<const float*>(w.codes) + row * w.stride + col;
#pragma unroll
        for (int i = 0; i < 4; ++i) raw[i] = *reinterpret_cast<const Pack<float, 4>*>(from + 4 * i);
    }
    __device__ static float at(const Raw& raw, int i) { return raw[i / 4].values[i % 4]; }
};

template <>
struct WeightReader<DType::bf16> {
    using Raw = Pack<bf16, 8>[2];
    __device__ static void load(const Weights& w, std::int64_t row, std::int64_t col, Raw& raw) {
        const auto* from = static_cast<const bf16*>(w.codes) + row * w.stride + col;
#pragma unroll
        for (int i = 0; i < 2; ++i) raw[i] = *reinterpret_cast<const Pack<bf16, 8>*>(from + 8 * i);
    }
    __device__ static float at(const Raw& raw, int i) { return to_float(raw[i / 8].values[i % 8]); }
};

template <>
struct WeightReader<DType::q8> {
    struct Raw {
        Pack<std::int8_t, 16> codes;
        float scale;
    };
    __device__ static void load(const Weights& w, std::int64_t row, std::int64_t col, Raw& raw) {
        raw.codes = *reinterpret_cast<const Pack<std::int8_t, 16>*>(
            static_cast<const std::int8_t*>(w.codes) + row * w.stride + col);
        raw.scale = to_float(
            static_cast<const bf16*>(w.scales)[row * (w.stride / block_size) + col / block_size]);
    }
    __device__ static float at(const Raw& raw, int i) {
        return raw.scale * static_cast<float>(raw.codes.values[i]);
    }
};

template <>
struct WeightReader<DType::q4> {
    struct Raw {
        Pack<std::uint8_t, 8> codes;
        float scale;
        float offset;
    };
    __device__ static void load(const Weights& w, std::int64_t row, std::int64_t col, Raw& raw) {
        raw.codes = *reinterpret_cast<const Pack<std::uint8_t, 8>*>(
            static_cast<const std::uint8_t*>(w.codes) + (row * w.stride + col) / 2);
        const std::int64_t block = row * (w.stride / block_size) + col / block_size;
        const auto* scales = static_cast<const __nv_bfloat162*>(w.scales);
        raw.scale = __low2float(scales[block]);
        raw.offset = __high2float(scales[block]);
    }
    __device__ static float at(const Raw& raw, int i) {
        const int code = raw.codes.values[i / 2] >> (i % 2 * 4) & 15;
        return raw.scale * static_cast<float>(code) + raw.offset;
    }
};

// run.template operator()<Type>() for the type the weights have.
template <typename Run>
void for_type(const Weights& weights, const Run& run) {
    switch (static_cast<DType>(weights.type)) {
        case DType::f32: return run.template operator()<DType::f32>();
        case DType::bf16: return run.template operator()<DType::bf16>();
        case DType::q8: return run.template operator()<DType::q8>();
        case DType::q4: return run.template operator()<DType::q4>();
        default: return;
    }
}

}  // namespace sipo::cuda
