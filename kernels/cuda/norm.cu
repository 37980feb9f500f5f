// RMS norms, a block a row (and group), in two passes. For the second a thread keeps what it can of
// the row; the rest is in the cache.
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;
constexpr int kept_packs = 3;

template <typename T, int Width>
__global__ void rms_norm_rows(Rows<float> in, const float* weight, float eps, Rows<T> out,
                              std::int64_t cols) {
    __shared__ float scratch[threads / warp_size];
    // The successor is a product and reads weights at most before it waits: it may ask for them
    // while this kernel still waits.
    let_successor_start();
    wait_for_predecessor();
    const float* from = in.row(blockIdx.x);
    T* to = out.row(blockIdx.x);
    Pack<float, Width> kept[kept_packs] = {};
    const auto for_packs = [&](const auto& use) {
        std::int64_t c = threadIdx.x * Width;
#pragma unroll
        for (int i = 0; i < kept_packs; ++i, c += threads * Width) {
            if (c < cols) use(c, kept[i]);
        }
#pragma unroll 1
        for (; c < cols; c += threads * Width) {
            auto v = *reinterpret_cast<const Pack<float, Width>*>(from + c);
            use(c, v);
        }
    };
#pragma unroll
    for (int i = 0; i < kept_packs; ++i) {
        const std::int64_t c = (threadIdx.x + i * threads) * Width;
        if (c < cols) kept[i] = *reinterpret_cast<const Pack<float, Width>*>(from + c);
    }
    float squares = 0.0F;
    for_packs([&](std::int64_t, const Pack<float, Width>& v) {
#pragma unroll
        for (int i = 0; i < Width; ++i) squares += v.values[i] * v.values[i];
    });
    const float mean = block_sum(squares, scratch) / static_cast<float>(cols);
    const float factor = rsqrtf(mean + eps);
    for_packs([&](std::int64_t c, const Pack<float, Width>& v) {
        const auto w = *reinterpret_cast<const Pack<float, Width>*>(weight + c);
        Pack<T, Width> result;
#pragma unroll
        for (int i = 0; i < Width; ++i) {
            result.values[i] = from_float<T>(v.values[i] * factor * w.values[i]);
        }
        *reinterpret_cast<Pack<T, Width>*>(to + c) = result;
    });
}

// y ⊙ SiLU(z) waits in shared memory for its norm.
template <typename T, int Width>
__global__ void gated_norm_rows(Rows<T> y, Rows<T> z, const std::int64_t* index,
                                const float* weight, float eps, std::int64_t part) {
    extern __shared__ float gated[];  // [part]
    __shared__ float scratch[threads / warp_size];
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t gate_row = index != nullptr ? index[blockIdx.x] : blockIdx.x;
    const std::int64_t first = blockIdx.y * part;
    T* inout = y.row(blockIdx.x) + first;
    const T* gate = z.row(gate_row) + first;
    float squares = 0.0F;
    for (std::int64_t c = threadIdx.x * Width; c < part; c += threads * Width) {
        const auto v = *reinterpret_cast<const Pack<T, Width>*>(inout + c);
        const auto g = *reinterpret_cast<const Pack<T, Width>*>(gate + c);
#pragma unroll
        for (int i = 0; i < Width; ++i) {
            const float value = to_float(v.values[i]) * silu<T>(to_float(g.values[i]));
            gated[c + i] = value;
            squares += value * value;
        }
    }
    const float mean = block_sum(squares, scratch) / static_cast<float>(part);
    const float factor = rsqrtf(mean + eps);
    for (std::int64_t c = threadIdx.x * Width; c < part; c += threads * Width) {
        Pack<T, Width> result;
#pragma unroll
        for (int i = 0; i < Width; ++i) {
            result.values[i] = from_float<T>(gated[c + i] * factor * weight[first + c + i]);
        }
        *reinterpret_cast<Pack<T, Width>*>(inout + c) = result;
    }
}

}  // namespace

template <typename T>
void rms_norm(Rows<float> in, const float* weight, float eps, Rows<T> out, std::int64_t rows,
              std::int64_t cols, cudaStream_t s) {
    if (rows == 0) return;
    const bool packed = is_wide(in, cols) && is_wide(out, cols);
    const auto kernel = packed ? rms_norm_rows<T, 4> : rms_norm_rows<T, 1>;
    launch(s, static_cast<unsigned>(rows), threads, 0, kernel, in, weight, eps, out, cols);
}
template void rms_norm(Rows<float>, const float*, float, Rows<float>, std::int64_t, std::int64_t,
                       cudaStream_t);
template void rms_norm(Rows<float>, const float*, float, Rows<bf16>, std::int64_t, std::int64_t,
                       cudaStream_t);

template <typename T>
void gated_norm(Rows<T> y, Rows<T> z, const std::int64_t* index, const float* weight, float eps,
                std::int64_t rows, std::int64_t cols, std::int64_t n_groups, cudaStream_t s) {
    if (rows == 0) return;
    const std::int64_t part = cols / n_groups;
    const bool packed = is_wide(y, part) && is_wide(z, part);
    const auto kernel = packed ? gated_norm_rows<T, wide<T>> : gated_norm_rows<T, 1>;
    const auto bytes = static_cast<std::size_t>(part) * sizeof(float);
    allow_shared(kernel, bytes);
    launch(s, dim3(static_cast<unsigned>(rows), static_cast<unsigned>(n_groups)), threads, bytes,
           kernel, y, z, index, weight, eps, part);
}
template void gated_norm(Rows<float>, Rows<float>, const std::int64_t*, const float*, float,
                         std::int64_t, std::int64_t, std::int64_t, cudaStream_t);
template void gated_norm(Rows<bf16>, Rows<bf16>, const std::int64_t*, const float*, float,
                         std::int64_t, std::int64_t, std::int64_t, cudaStream_t);

}  // namespace sipo::cuda
