// Δ from dt, and the score a token has for DeciMamba.
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;

template <typename From, typename To, int Width>
__global__ void softplus_rows(Rows<From> in, const float* bias, float low, float high, Rows<To> out,
                              std::int64_t rows, std::int64_t cols) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t col = (std::int64_t{blockIdx.x} * threads + threadIdx.x) * Width;
    if (col >= cols) return;
    const auto shift = *reinterpret_cast<const Pack<float, Width>*>(bias + col);
    for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
        const auto dt = *reinterpret_cast<const Pack<From, Width>*>(in.row(row) + col);
        Pack<To, Width> result;
#pragma unroll
        for (int i = 0; i < Width; ++i) {
            const float v = softplus<To>(to_float(dt.values[i]) + shift.values[i]);
            result.values[i] = from_float<To>(clamp_keeping_nan(v, low, high));
        }
        *reinterpret_cast<Pack<To, Width>*>(out.row(row) + col) = result;
    }
}

// A warp a token.
template <typename T>
__global__ void score_rows(Rows<T> delta, std::int64_t rows, std::int64_t cols, float* scores) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t row = (std::int64_t{blockIdx.x} * threads + threadIdx.x) / warp_size;
    if (row >= rows) return;
    const T* values = delta.row(row);
    float squares = 0.0F;
    for (std::int64_t c = threadIdx.x % warp_size; c < cols; c += warp_size) {
        const float v = to_float(values[c]);
        squares += v * v;
    }
    squares = warp_sum(squares);
    if (threadIdx.x % warp_size == 0) scores[row] = sqrtf(squares);
}

}  // namespace

template <typename From, typename To>
void softplus_bias(Rows<From> in, const float* bias, float low, float high, Rows<To> out,
                   std::int64_t rows, std::int64_t cols, cudaStream_t s) {
    if (rows == 0) return;
    const bool packed = is_wide(in, cols) && is_wide(out, cols);
    constexpr int width = sizeof(To) < sizeof(From) ? wide<From> : wide<To>;
    const dim3 grid(blocks_for(cols, packed ? threads * width : threads),
                    static_cast<unsigned>(rows < 65535 ? rows : 65535));
    const auto kernel = packed ? softplus_rows<From, To, width> : softplus_rows<From, To, 1>;
    launch(s, grid, threads, 0, kernel, in, bias, low, high, out, rows, cols);
}
template void softplus_bias(Rows<float>, const float*, float, float, Rows<float>, std::int64_t,
                            std::int64_t, cudaStream_t);
template void softplus_bias(Rows<bf16>, const float*, float, float, Rows<bf16>, std::int64_t,
                            std::int64_t, cudaStream_t);
template void softplus_bias(Rows<bf16>, const float*, float, float, Rows<float>, std::int64_t,
                            std::int64_t, cudaStream_t);
template void softplus_bias(Rows<float>, const float*, float, float, Rows<bf16>, std::int64_t,
                            std::int64_t, cudaStream_t);

template <typename T>
void token_scores(Rows<T> delta, std::int64_t rows, std::int64_t cols, float* scores,
                  cudaStream_t s) {
    if (rows == 0) return;
    launch(s, blocks_for(rows * warp_size, threads), threads, 0, score_rows<T>, delta, rows, cols,
           scores);
}
template void token_scores(Rows<float>, std::int64_t, std::int64_t, float*, cudaStream_t);
template void token_scores(Rows<bf16>, std::int64_t, std::int64_t, float*, cudaStream_t);

}  // namespace sipo::cuda
