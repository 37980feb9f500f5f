// Hopper's copies of a matrix' tiles (TMA), which find them by a tensor map.
#pragma once

#include "bulk_copy.cuh"
#include "tensor_map.hpp"

namespace sipo::cuda {

#if __CUDA_ARCH__ >= 900

// The tile whose first element is in `column` and `row`, to a border of 1,024 bytes, in the swizzle
// of 128. By one thread, as all here.
__device__ inline void copy_tile(void* to, const CUtensorMap& map, int column, int row,
                                 ByteBarrier* barrier) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
        "[%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
        "l"(&map), "r"(column), "r"(row), "r"(shared_address(barrier))
        : "memory");
}
// For tiles that nobody reads again before everything else has gone through the second-level cache,
// which lets go of them first.
[[nodiscard]] __device__ inline std::uint64_t passing_policy() {
    std::uint64_t policy;
    asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    return policy;
}
__device__ inline void copy_passing_tile(void* to, const CUtensorMap& map, int column, int row,
                                         ByteBarrier* barrier, std::uint64_t policy) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes."
        "L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(shared_address(to)),
        "l"(&map), "r"(column), "r"(row), "r"(shared_address(barrier)), "l"(policy)
        : "memory");
}
// To the same place of all blocks of the cluster that `blocks` has a bit for, and their barriers.
__device__ inline void copy_tile_to_all(void* to, const CUtensorMap& map, int column, int row,
                                        ByteBarrier* barrier, std::uint16_t blocks) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes."
        "multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(shared_address(to)),
        "l"(&map), "r"(column), "r"(row), "r"(shared_address(barrier)), "h"(blocks)
        : "memory");
}
// Into the second-level cache.
__device__ inline void prefetch_tile(const CUtensorMap& map, int column, int row) {
    asm volatile("cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%0, {%1, %2}];" ::"l"(&map),
                 "r"(column), "r"(row)
                 : "memory");
}

#endif

}  // namespace sipo::cuda
