// Stands for kernels/cuda/cluster.cuh.
#pragma once
#include "bulk_copy.cuh"

namespace sipo::cuda {

[[nodiscard]] inline int cluster_rank() { return emulator::cluster_rank(); }
inline void arrive_at_cluster() { emulator::arrive_at_cluster(); }
inline void wait_for_cluster() { emulator::wait_for_cluster(); }
[[nodiscard]] inline std::uint32_t address_in_block(const void* place, int rank) {
    return emulator::address_in_block(place, rank);
}
inline void arrive_in_block(ByteBarrier* barrier, int rank) {
    emulator::arrive_remote(address_in_block(barrier, rank));
}
inline void send_four(std::uint32_t place, float4 v, std::uint32_t barrier) {
    emulator::send(place, &v, sizeof v, barrier);
}
inline void send_word(std::uint32_t place, std::uint32_t word, std::uint32_t barrier) {
    emulator::send(place, &word, sizeof word, barrier);
}
inline void wait_barrier_of_cluster(ByteBarrier* barrier, std::uint32_t parity) {
    emulator::wait(barrier, parity);
}

}  // namespace sipo::cuda
