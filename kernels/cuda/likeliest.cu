// The likeliest token of each row of logits. A row is cut into parts of a block each, so that few
// rows occupy the device as well; a part's result is a 64-bit key that orders by logit and then by
// the smaller index, and the host takes the greatest key of a row.
#include <cmath>
#include <cstring>

#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;

// Zero is left for "no number above -inf". The logit's bits, turned so that they order as unsigned
// numbers do, then those of the index, turned so that the earlier is the greater. -0 is 0.
__device__ LikeliestKey key_of(float logit, std::uint32_t index) {
    const std::uint32_t bits = logit == 0.0F ? 0U : __float_as_uint(logit);
    const std::uint32_t order = bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
    return LikeliestKey{order} << 32 | static_cast<std::uint32_t>(~index);
}

__device__ LikeliestKey greater(LikeliestKey a, LikeliestKey b) { return a > b ? a : b; }

__device__ LikeliestKey warp_greatest(LikeliestKey key) {
#pragma unroll
    for (int step = warp_size / 2; step > 0; step /= 2) {
        key = greater(key, __shfl_xor_sync(0xffffffffU, key, step));
    }
    return key;
}

// In thread 0. `scratch` holds a key a warp.
__device__ LikeliestKey block_greatest(LikeliestKey key, LikeliestKey* scratch) {
    key = warp_greatest(key);
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = key;
    __syncthreads();
    for (int w = 0; w < threads / warp_size; ++w) key = greater(key, scratch[w]);
    return key;
}

// Block (part, row); keys [rows, parts].
template <int Width>
__global__ void likeliest_parts_of_rows(Rows<float> logits, std::int64_t cols, LikeliestKey* keys) {
    __shared__ LikeliestKey scratch[threads / warp_size];
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
    const LikeliestKey own = at < 0 ? 0 : key_of(largest, static_cast<std::uint32_t>(at));
    const LikeliestKey greatest = block_greatest(own, scratch);
    if (threadIdx.x == 0) keys[std::int64_t{blockIdx.y} * gridDim.x + blockIdx.x] = greatest;
}

}  // namespace

void likeliest(Rows<float> logits, std::int64_t rows, std::int64_t cols, LikeliestKey* keys,
               cudaStream_t s) {
    if (rows == 0) return;
    const dim3 grid(likeliest_parts, static_cast<unsigned>(rows));
    if (is_wide(logits, cols)) {
        launch(s, grid, threads, 0, likeliest_parts_of_rows<wide<float>>, logits, cols, keys);
    } else {
        launch(s, grid, threads, 0, likeliest_parts_of_rows<1>, logits, cols, keys);
    }
}

std::int32_t token_of(const LikeliestKey* keys) {
    LikeliestKey greatest = 0;
    for (int part = 0; part < likeliest_parts; ++part) {
        if (keys[part] > greatest) greatest = keys[part];
    }
    const auto order = static_cast<std::uint32_t>(greatest >> 32);
    const std::uint32_t bits = order >> 31 != 0 ? order & 0x7fffffffU : ~order;
    float logit = 0.0F;
    std::memcpy(&logit, &bits, sizeof logit);
    if (greatest == 0 || !std::isfinite(logit)) return -1;
    return static_cast<std::int32_t>(~static_cast<std::uint32_t>(greatest));
}

}  // namespace sipo::cuda
