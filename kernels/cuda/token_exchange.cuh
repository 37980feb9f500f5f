// The values of a token that blocks need from each other. Each is a word whose low bits are the number of
// the layer that it was computed for, so one store and one load carry it: who needs it reads until the
// number is right. A barrier of all blocks, with its fences, takes several times as long.
#pragma once

#include "device_math.cuh"
#include "relaxed.cuh"

namespace sipo::cuda {

// bf16 above its tag.
struct HalfWord {
    static constexpr std::uint32_t tag_bits = 0xffffU;
    [[nodiscard]] static __device__ std::uint32_t of(float value) {
        return static_cast<std::uint32_t>(__bfloat16_as_ushort(from_float<bf16>(value))) << 16;
    }
};
// f32 but for its last four bits: the words of a place have consecutive numbers, or next but one.
struct SingleWord {
    static constexpr std::uint32_t tag_bits = 0xfU;
    [[nodiscard]] static __device__ std::uint32_t of(float value) {
        return __float_as_uint(value) & ~tag_bits;
    }
};

template <typename Word>
__device__ void tell(std::uint32_t* to, float value, unsigned tag) {
    store_relaxed(to, Word::of(value) | (tag & Word::tag_bits));
}

// Of `Own` packs of four words, number threadIdx.x of `packs` and every `Threads` after it: reads them until
// all that are there have been told.
template <typename Word, int Threads, int Own>
__device__ void hear(const std::uint32_t* from, int packs, unsigned tag, uint4 (&words)[Own]) {
    const int first = static_cast<int>(threadIdx.x);
    const auto* own = reinterpret_cast<const uint4*>(from) + first;
    const auto told = [&](const uint4& w) {
        return (((w.x ^ tag) | (w.y ^ tag) | (w.z ^ tag) | (w.w ^ tag)) & Word::tag_bits) == 0;
    };
#pragma unroll
    for (int i = 0; i < Own; ++i) {
        if (first + i * Threads < packs) words[i] = load_relaxed(own + i * Threads);
    }
    for (bool all = false; !all;) {
        all = true;
#pragma unroll
        for (int i = 0; i < Own; ++i) {
            if (first + i * Threads >= packs || told(words[i])) continue;
            all = false;
            words[i] = load_relaxed(own + i * Threads);
        }
    }
}

}  // namespace sipo::cuda
