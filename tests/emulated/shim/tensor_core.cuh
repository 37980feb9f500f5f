// Stands for kernels/cuda/tensor_core.cuh: a warp's product, whose lanes tell each other their operands.
#pragma once
#include "async_copy.cuh"
#include "device_math.cuh"

namespace sipo::cuda {

inline int operand_row() { return static_cast<int>(threadIdx.x) % warp_size / 4; }
inline int operand_column() { return static_cast<int>(threadIdx.x) % 4 * 2; }

struct OperandA {
    std::uint32_t values[4];
};
struct OperandPart {
    std::uint32_t values[2];
};

inline std::uint32_t pair_at(const bf16* place) {
    return *reinterpret_cast<const std::uint32_t*>(place);
}
inline OperandA load_a(const bf16* corner, int stride) {
    const bf16* own = corner + operand_row() * stride + operand_column();
    return {
        {pair_at(own), pair_at(own + 8 * stride), pair_at(own + 8), pair_at(own + 8 * stride + 8)}};
}

// What another lane has of two elements each.
inline float2 pair_of(std::uint32_t own, int lane) {
    const unsigned bits = __shfl_sync(0xffffffffU, own, lane);
    return {__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000U)};
}
inline void multiply_add(float (&sum)[4], const OperandA& a, const OperandPart& b) {
    const int row = operand_row() * 4;
    const int column = operand_column() * 4;  // the first lane of it
    for (int lane = 0; lane < 4; ++lane) {
        for (int half = 0; half < 2; ++half) {  // of k
            const float2 left[] = {pair_of(a.values[2 * half], row + lane),
                                   pair_of(a.values[2 * half + 1], row + lane)};
            const float2 right[] = {pair_of(b.values[half], column + lane),
                                    pair_of(b.values[half], column + 4 + lane)};
            for (int e = 0; e < 4; ++e) {
                sum[e] += left[e / 2].x * right[e % 2].x + left[e / 2].y * right[e % 2].y;
            }
        }
    }
}

}  // namespace sipo::cuda
