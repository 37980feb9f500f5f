// The likeliest token of each row of logits. A row is cut into parts of a block each, so that few
// rows occupy the device as well; a part's result is a 64-bit key that orders by logit and then by
// the smaller index, and the host takes the greatest key of a row.
#include <cmath>

#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "logit_key.cuh"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;

// Zero is left for "no number above -inf".
__device__ LogitKey greater(LogitKey a, LogitKey b) { return a > b ? a : b; }

__device__ LogitKey warp_greatest(LogitKey key) {
#pragma unroll
    for (int step = warp_size / 2; step > 0; step /= 2) {
        key = greater(key, __shfl_xor_sync(0xffffffffU, key, step));
    }
    return key;
}

// In thread 0. `scratch` holds a key a warp.
__device__ LogitKey block_greatest(LogitKey key, LogitKey* scratch) {
    key = warp_greatest(key);
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = key;
    __syncthreads();
    for (int w = 0; w < threads / warp_size; ++w) key = greater(key, scratch[w]);
    return key;
}

// Block (part, row); keys [rows, parts].
template <int Width>
__global__ void likeliest_parts_of_rows(Rows<float> logits, std::int64_t cols, LogitKey* keys) {
    __shared__ LogitKey scratch[threads / warp_size];
    wait_for_predecessor();
    let_successor_start();
    const float* row = logits.row(blockIdx.y);
    float largest = -INFINITY;
    std::int64_t at = -1;
    const std::int64_t step = std::int64_t{gridDim.x} * threads * Width;
#pragma unroll 4
    for (std::int64_t c = (std::int64_t{blockIdx.x} * threads + threadIdx.x) * Width; c < cols;
         c += step) {
        const auto pack = *reinterpret_cast<const Pack<float, Width>*>(row + c);
#pragma unroll
        for (int i = 0; i < Width; ++i) {
            if (pack.values[i] > largest) {
                largest = pack.values[i];
                at = c + i;
            }
        }
    }
    const LogitKey own = at < 0 ? 0 : key_of(largest, static_cast<std::uint32_t>(at));
    const LogitKey greatest = block_greatest(own, scratch);
    if (threadIdx.x == 0) keys[std::int64_t{blockIdx.y} * gridDim.x + blockIdx.x] = greatest;
}

}  // namespace

void likeliest(Rows<float> logits, std::int64_t rows, std::int64_t cols, LogitKey* keys,
               cudaStream_t s) {
    if (rows == 0) return;
    const dim3 grid(likeliest_parts, static_cast<unsigned>(rows));
    if (is_wide(logits, cols)) {
        launch(s, grid, threads, 0, likeliest_parts_of_rows<wide<float>>, logits, cols, keys);
    } else {
        launch(s, grid, threads, 0, likeliest_parts_of_rows<1>, logits, cols, keys);
    }
}

std::int32_t token_of(const LogitKey* keys) {
    LogitKey greatest = 0;
    for (int part = 0; part < likeliest_parts; ++part) {
        if (keys[part] > greatest) greatest = keys[part];
    }
    if (greatest == 0 || !std::isfinite(logit_of(greatest))) return -1;
    return index_of(greatest);
}

}  // namespace sipo::cuda
