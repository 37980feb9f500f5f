// Hopper's bulk copies into shared memory, and the barriers of shared memory that count their bytes.
#pragma once

#include "async_copy.cuh"

namespace sipo::cuda {

using ByteBarrier = std::uint64_t;  // in shared memory

#if __CUDA_ARCH__ >= 900

// By one thread. A phase ends after so many arrivals, a copy being one.
__device__ inline void init_barrier(ByteBarrier* barrier, unsigned arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
                 "r"(arrivals));
}
// After the last init_barrier, by the thread that made them.
__device__ inline void publish_barriers() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
// The barrier's phase ends when so many bytes have come, too.
__device__ inline void expect_bytes(ByteBarrier* barrier, std::uint32_t bytes) {
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
        "r"(bytes)
        : "memory");
}
// Copies `bytes` (a multiple of 16, both addresses on 16-byte borders); the barrier's phase ends when they
// have come. By one thread.
__device__ inline void copy_bulk(void* to, const void* from, std::uint32_t bytes,
                                 ByteBarrier* barrier) {
    expect_bytes(barrier, bytes);
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(shared_address(to)),
        "l"(from), "r"(bytes), "r"(shared_address(barrier))
        : "memory");
}
// Into the second-level cache; `bytes` a multiple of 16.
__device__ inline void prefetch_bulk(const void* from, std::uint32_t bytes) {
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
}
__device__ inline void arrive_at(ByteBarrier* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
                 : "memory");
}
// One arrival of this thread, when its copies of async_copy.cuh have come.
__device__ inline void arrive_when_copied(ByteBarrier* barrier) {
    asm volatile(
        "cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(shared_address(barrier))
        : "memory");
}
// Waits for the end of the barrier's phase of this parity.
__device__ inline void wait_barrier(ByteBarrier* barrier, std::uint32_t parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@!done bra again;\n"
        "}\n" ::"r"(shared_address(barrier)),
        "r"(parity)
        : "memory");
}

#endif

}  // namespace sipo::cuda
