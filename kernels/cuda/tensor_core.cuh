// The tensor cores' 16 x 8 x 16 product of bf16 with float32 sums (mma.sync, sm_80 and later), and
// the loads of its operands from shared memory (ldmatrix). PTX ISA, "Matrix Fragments for mma.m16n8k16".
//
// In a lane's part of a sum [16, 8]: elements 0 and 1 lie in row operand_row(), columns
// operand_column() and the next; elements 2 and 3 eight rows below.
#pragma once

#include "async_copy.cuh"
#include "device_math.cuh"

namespace sipo::cuda {

struct OperandA {  // [16 rows, 16 k]
    std::uint32_t values[4];
};
struct OperandPart {  // [16 k, 8 columns]
    std::uint32_t values[2];
};

__device__ inline int operand_row() { return static_cast<int>(threadIdx.x) % warp_size / 4; }
__device__ inline int operand_column() { return static_cast<int>(threadIdx.x) % 4 * 2; }

// Four 8 x 8 matrices whose rows' places in shared memory the lanes give; transposed on the way when
// asked.
template <bool Transposed>
__device__ void load_matrices(std::uint32_t row, std::uint32_t (&out)[4]) {
    if constexpr (Transposed) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(row));
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(row));
    }
}

// [16 rows, 16 k] of a matrix in shared memory whose rows are the operand's.
__device__ inline OperandA load_a(const bf16* corner, int stride) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    OperandA out;
    load_matrices<false>(shared_address(corner + lane % 16 * stride + lane / 16 * 8), out.values);
    return out;
}

__device__ inline void multiply_add(float (&sum)[4], const OperandA& a, const OperandPart& b) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a.values[0]), "r"(a.values[1]), "r"(a.values[2]), "r"(a.values[3]), "r"(b.values[0]),
          "r"(b.values[1]));
}

}  // namespace sipo::cuda
