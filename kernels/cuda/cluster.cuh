// Clusters of blocks, which reach each other's shared memory (Hopper).
#pragma once

#include "bulk_copy.cuh"

namespace sipo::cuda {

#if __CUDA_ARCH__ >= 900

[[nodiscard]] __device__ inline int cluster_rank() {
    std::uint32_t rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return static_cast<int>(rank);
}
// A barrier of all the cluster's threads in two halves: what was written before the first is seen
// behind the second.
__device__ inline void arrive_at_cluster() {
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ inline void wait_for_cluster() {
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
// The same place in another block's shared memory.
[[nodiscard]] __device__ inline std::uint32_t address_in_block(const void* place, int rank) {
    std::uint32_t address;
    asm("mapa.shared::cluster.u32 %0, %1, %2;"
        : "=r"(address)
        : "r"(shared_address(place)), "r"(rank));
    return address;
}
// An arrival at the same barrier of another block, by a thread that has only read what the barrier is
// about: a release would wait for all that the thread has under way.
__device__ inline void arrive_in_block(ByteBarrier* barrier, int rank) {
    asm volatile(
        "mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(address_in_block(barrier, rank))
        : "memory");
}
// Four floats to another block's shared memory, whose barrier counts their bytes when they have come.
__device__ inline void send_four(std::uint32_t place, float4 v, std::uint32_t barrier) {
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, "
        "%4}, [%5];" ::"r"(place),
        "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w), "r"(barrier)
        : "memory");
}
// A word to another block's shared memory, whose barrier counts its four bytes when it has come.
__device__ inline void send_word(std::uint32_t place, std::uint32_t word, std::uint32_t barrier) {
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.u32 [%0], %1, [%2];" ::"r"(
            place),
        "r"(word), "r"(barrier)
        : "memory");
}
// As wait_barrier(), for what other blocks have sent.
__device__ inline void wait_barrier_of_cluster(ByteBarrier* barrier, std::uint32_t parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
        "@!done bra again;\n"
        "}\n" ::"r"(shared_address(barrier)),
        "r"(parity)
        : "memory");
}

#endif

}  // namespace sipo::cuda
