// What blocks that run side by side tell each other: words that every block sees, in no order, and what
// a thread does meanwhile.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace sipo::cuda {

__device__ inline void store_relaxed(std::uint32_t* to, std::uint32_t word) {
    asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(to), "r"(word) : "memory");
}
__device__ inline uint4 load_relaxed(const void* from) {
    uint4 words;
    asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
                 : "l"(from)
                 : "memory");
    return words;
}

// Into the second-level cache.
__device__ inline void prefetch(const void* address) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

// The first `Count` threads of a block wait for each other.
template <int Count>
__device__ void sync_some() {
    asm volatile("bar.sync 1, %0;" ::"n"(Count) : "memory");
}
// `Count` threads of a block meet, of which those that arrive do not wait for the others.
template <int Count>
__device__ void arrive_at_meeting() {
    asm volatile("bar.arrive 2, %0;" ::"n"(Count) : "memory");
}
template <int Count>
__device__ void wait_for_meeting() {
    asm volatile("bar.sync 2, %0;" ::"n"(Count) : "memory");
}

}  // namespace sipo::cuda
