#pragma once
#include "async_copy.cuh"
namespace sipo::cuda {
[[nodiscard]] inline int cluster_rank() { return emu::cluster_rank(); }
inline void arrive_at_cluster() { emu::arrive_at_cluster(); }
inline void wait_for_cluster() { emu::wait_for_cluster(); }
inline std::uint32_t address_in_block(const void* place, int rank) {
    return emu::map_address(emu::shared_address(place), rank);
}
inline void store_remote(const float* place, int rank, float first, float second) {
    const float both[2] = {first, second};
    emu::store_remote(address_in_block(place, rank), both, 8);
}
inline void send_word(std::uint32_t remote_place, std::uint32_t word, std::uint32_t remote_barrier) {
    emu::send(remote_place, &word, 4, remote_barrier);
}
}  // namespace sipo::cuda
