#pragma once
#include <cuda_runtime.h>
namespace sipo::cuda {
inline std::uint32_t shared_address(const void* pointer) { return emu::shared_address(pointer); }

// bulk_copy.cuh
using ByteBarrier = std::uint64_t;
inline void init_barrier(ByteBarrier* barrier, unsigned arrivals) { emu::init_barrier(barrier, arrivals); }
inline void publish_barriers() {}
inline void copy_bulk(void* to, const void* from, std::uint32_t bytes, ByteBarrier* barrier) {
    emu::expect(barrier, bytes, true);
    emu::copy_bulk(to, from, bytes, barrier);
}
// The copy alone, after expect_bytes().
inline void copy_bulk_expected(void* to, const void* from, std::uint32_t bytes, ByteBarrier* barrier) {
    emu::copy_bulk(to, from, bytes, barrier);
}
inline void prefetch_bulk(const void*, std::uint32_t) {}
inline void expect_bytes(ByteBarrier* barrier, std::uint32_t bytes) { emu::expect(barrier, bytes, true); }
inline void arrive_at(ByteBarrier* barrier) { emu::arrive(barrier); }
inline void wait_barrier(ByteBarrier* barrier, std::uint32_t parity) { emu::wait(barrier, parity); }
inline void wait_barrier_of_cluster(ByteBarrier* barrier, std::uint32_t parity) { emu::wait(barrier, parity); }

// async_copy.cuh
inline void copy_async(std::uint32_t to, const void* from, bool present) {
    emu::copy_async(emu::resolve(to), from, 16, present);
}
inline void copy_async(void* to, const void* from, bool present) { emu::copy_async(to, from, 16, present); }
template <int Bytes>
void copy_few_async(void* to, const void* from) {
    emu::copy_async(to, from, Bytes, true);
}
inline void end_copy_group() { emu::commit_group(); }
template <int Left>
void wait_copy_groups() {
    emu::wait_groups(Left);
}
inline void arrive_when_copied(ByteBarrier* barrier) { emu::arrive_when_copied(barrier); }
}  // namespace sipo::cuda
