// Clusters of blocks, which reach each other's shared memory (Hopper).
#pragma once

#include "async_copy.cuh"

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
// Two floats to the same place in another block's shared memory.
__device__ inline void store_remote(const float* place, int rank, float first, float second) {
    std::uint32_t address;
    asm("mapa.shared::cluster.u32 %0, %1, %2;"
        : "=r"(address)
        : "r"(shared_address(place)), "r"(rank));
    asm volatile("st.shared::cluster.v2.f32 [%0], {%1, %2};" ::"r"(address), "f"(first), "f"(second)
                 : "memory");
}

#endif

}  // namespace sipo::cuda
