// Stands for kernels/cuda/bulk_copy.cuh.
#pragma once
#include "async_copy.cuh"

namespace sipo::cuda {

using ByteBarrier = std::uint64_t;

inline void init_barrier(ByteBarrier* barrier, unsigned arrivals) {
    emulator::init_barrier(barrier, arrivals);
}
inline void publish_barriers() {}
inline void expect_bytes(ByteBarrier* barrier, std::uint32_t bytes) {
    emulator::expect(barrier, bytes);
}
inline void copy_bulk(void* to, const void* from, std::uint32_t bytes, ByteBarrier* barrier) {
    expect_bytes(barrier, bytes);
    emulator::copy_bulk(to, from, bytes, barrier);
}
inline void prefetch_bulk(const void*, std::uint32_t) {}
inline void arrive_at(ByteBarrier* barrier) { emulator::arrive(barrier); }
inline void arrive_when_copied(ByteBarrier* barrier) { emulator::arrive_when_copied(barrier); }
inline void wait_barrier(ByteBarrier* barrier, std::uint32_t parity) {
    emulator::wait(barrier, parity);
}

}  // namespace sipo::cuda
