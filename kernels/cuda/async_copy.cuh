// Copies from global to shared memory that go on while the block computes (cp.async, sm_80).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace sipo::cuda {

__device__ inline std::uint32_t shared_address(const void* pointer) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

// 16 bytes; zeros where `present` is false. Both ends on 16-byte borders.
__device__ inline void copy_async(std::uint32_t to, const void* from, bool present) {
    const int bytes = present ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}
__device__ inline void copy_async(void* to, const void* from, bool present) {
    copy_async(shared_address(to), from, present);
}
// 4, 8 or 16 bytes, on borders of as many.
template <int Bytes>
__device__ void copy_few_async(void* to, const void* from) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(shared_address(to)), "l"(from),
                 "n"(Bytes)
                 : "memory");
}
__device__ inline void end_copy_group() { asm volatile("cp.async.commit_group;"); }
// Until at most `Left` groups of this thread are under way.
template <int Left>
__device__ void wait_copy_groups() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory");
}

}  // namespace sipo::cuda
