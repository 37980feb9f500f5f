// The factor of a row's norm that comes after the product (RowSquares).
#pragma once

#include "device_math.cuh"
#include "kernels.hpp"

namespace sipo::cuda {

// By `Threads` neighbouring threads of a warp. Asks for the squares; whoever wants the factor waits for
// them.
template <int Threads>
class RowFactor {
public:
    __device__ RowFactor(const RowSquares& squares, std::int64_t row) {
        const float* from = squares.sums + row;
#pragma unroll
        for (int i = 0; i < each; ++i) {
            const int part = static_cast<int>(threadIdx.x) % Threads + i * Threads;
            parts_[i] = part < squares.parts ? __ldcg(from + part * max_states) : 0.0F;
        }
    }
    // In each of them.
    __device__ float value(const RowSquares& squares) const {
        float sum = 0.0F;
#pragma unroll
        for (int i = 0; i < each; ++i) sum += parts_[i];
#pragma unroll
        for (int step = Threads / 2; step > 0; step /= 2) {
            sum += __shfl_xor_sync(0xffffffffU, sum, step);
        }
        return squares.parts > 0 ? rsqrtf(sum * squares.inverse_width + squares.eps) : 1.0F;
    }

private:
    static constexpr int each = RowSquares::max_parts / Threads;
    float parts_[each];
};

}  // namespace sipo::cuda
