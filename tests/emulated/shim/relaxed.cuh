// Stands for kernels/cuda/relaxed.cuh.
#pragma once
#include <cuda_runtime.h>

namespace sipo::cuda {

inline void store_relaxed(std::uint32_t* to, std::uint32_t word) {
    emulator::store_late(to, &word, sizeof word);
}
inline uint4 load_relaxed(const void* from) {
    uint4 words;
    emulator::load_polled(&words, from, sizeof words);
    return words;
}
inline void prefetch(const void*) {}
// Barrier 1, as there.
template <int Count>
void sync_some() {
    emulator::sync_named(1, Count);
}
// Barrier 2.
template <int Count>
void arrive_at_meeting() {
    emulator::arrive_named(2, Count);
}
template <int Count>
void wait_for_meeting() {
    emulator::sync_named(2, Count);
}

}  // namespace sipo::cuda
