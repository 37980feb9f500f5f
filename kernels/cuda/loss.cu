// Negative log-likelihood, a block a row of logits; a NaN logit makes it NaN.
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;

__device__ float block_max(float value, float* scratch) {
    for (int step = warp_size / 2; step > 0; step /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, step));
    }
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = value;
    __syncthreads();
    float largest = scratch[0];
    for (int w = 1; w < threads / warp_size; ++w) largest = fmaxf(largest, scratch[w]);
    return largest;
}

__global__ void nll_rows(Rows<float> logits, const std::int32_t* targets, std::int64_t cols,
                         float* out) {
    __shared__ float scratch[threads / warp_size];
    wait_for_predecessor();
    let_successor_start();
    const float* row = logits.row(blockIdx.x);
    float largest = -INFINITY;
    for (std::int64_t c = threadIdx.x; c < cols; c += threads) largest = fmaxf(largest, row[c]);
    largest = block_max(largest, scratch);
    float sum = 0.0F;
    for (std::int64_t c = threadIdx.x; c < cols; c += threads) sum += expf(row[c] - largest);
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) {
        out[blockIdx.x] = largest + logf(sum) - row[targets[blockIdx.x]];
    }
}

}  // namespace

void negative_log_likelihood(Rows<float> logits, const std::int32_t* targets, std::int64_t rows,
                             std::int64_t cols, float* out, cudaStream_t s) {
    if (rows == 0) return;
    launch(s, static_cast<unsigned>(rows), threads, 0, nll_rows, logits, targets, cols, out);
}

}  // namespace sipo::cuda
