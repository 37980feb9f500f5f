// Stands for kernels/cuda/wgmma.cuh. A product reads its operands when it is asked for or at the latest moment, when
// its group is waited for.
#pragma once

#include "tensor_core.cuh"

namespace sipo::cuda {

// Bytes in the block's memory.
inline std::uint64_t swizzled_operand(const void* tile) { return shared_address(tile); }
inline constexpr int product_columns = 16;
inline constexpr std::uint64_t next_columns = product_columns * 2;

inline float operand_at(std::uint64_t operand, int row, int k) {
    const std::uint64_t first = operand / 128 * 128, column = operand % 128 + std::uint64_t(k) * 2;
    const std::uint64_t piece = (column / 16) ^ std::uint64_t(row % 8);
    const std::uint64_t at = first + std::uint64_t(row) * 128 + piece * 16 + column % 16;
    return *reinterpret_cast<const __nv_bfloat16*>(emulator::resolve(std::uint32_t(at)));
}

template <int N>
void warpgroup_multiply_add(float (&d)[N / 2], std::uint64_t a, std::uint64_t b) {
    const int first_row = static_cast<int>(threadIdx.x) / warp_size % 4 * 16 + operand_row();
    const int first_column = operand_column();
    emulator::ask_product([&d, a, b, first_row, first_column] {
        for (int i = 0; i < N / 2; ++i) {
            const int row = first_row + i % 4 / 2 * 8, column = i / 4 * 8 + first_column + i % 2;
            for (int k = 0; k < product_columns; ++k)
                d[i] += operand_at(a, row, k) * operand_at(b, column, k);
        }
    });
}
inline void begin_products() { __syncwarp(); }
inline void end_products() { emulator::end_products(); }
template <int Left>
void wait_products() {
    emulator::wait_products(Left);
    __syncwarp();
}

}  // namespace sipo::cuda
