#pragma once
#include <cuda_runtime.h>
namespace sipo::cuda {
inline void store_relaxed(std::uint32_t* to, std::uint32_t word) { emu::store_late(to, &word, 4); }
inline void store_relaxed(uint2* to, const uint2& words) { emu::store_late(to, &words, 8); }
inline void store_relaxed(uint4* to, const uint4& words) { emu::store_late(to, &words, 16); }
inline uint4 load_relaxed(const void* from) {
    uint4 words;
    emu::load_polled(&words, from, 16);
    return words;
}
inline void prefetch(const void*) {}
template <int Count>
void sync_some() {
    emu::sync_named(1, Count);
}
template <int Id, int Count>
void sync_some_as() {
    emu::sync_named(Id, Count);
}
inline std::uint32_t clock_now() { return emu::clock_now(); }
}  // namespace sipo::cuda
