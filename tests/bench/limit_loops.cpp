// Built once per instruction set, like the kernels.
#include "limit_loops.hpp"

#include "matmul_quant.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

// Independent chains: enough to hide an instruction's latency, few enough for the registers. Every
// loop over them is unrolled, or they would lie in memory.
constexpr std::int64_t chains = 12;
constexpr std::int64_t exponential_chains = width == 16 ? 12 : 4;

// The compiler must not make one round of two.
template <typename Lanes>
SIPO_INLINE void keep(Lanes& lanes) {
#if defined(__x86_64__)
    asm("" : "+x"(lanes));
#else
    asm("" : "+w"(lanes));
#endif
}

template <std::int64_t count, typename Step>
SIPO_INLINE float run_chains(std::int64_t rounds, Step step) {
    Vec acc[count];
#pragma GCC unroll 12
    for (std::int64_t c = 0; c < count; ++c) acc[c] = splat(0.5F);
    for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (std::int64_t c = 0; c < count; ++c) {
            acc[c] = step(acc[c]);
            keep(acc[c]);
        }
    }
#pragma GCC unroll 12
    for (std::int64_t c = 1; c < count; ++c) acc[0] += acc[c];
    return sum(acc[0]);
}

float multiply_adds(std::int64_t rounds) {
    const Vec factor = splat(0.9F);
    return run_chains<chains>(rounds, [=](Vec a) { return fma(a, factor, factor); });
}

float bf16_products(std::int64_t rounds) {
#if defined(__AVX512BF16__)
    const auto pairs = __builtin_bit_cast(__m512bh, VecInt{} + 0x3c003c00);
    return run_chains<chains>(rounds, [=](Vec a) { return _mm512_dpbf16_ps(a, pairs, pairs); });
#else
    return multiply_adds(rounds);  // the elements are widened and multiplied as float32
#endif
}

struct FourBits {
    static constexpr std::int64_t bits = 4;
};

float byte_products(std::int64_t rounds) {
    BlockSum<FourBits> sums[chains] = {};
    VecInt codes = VecInt{} + 0x01020304;
    for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (std::int64_t c = 0; c < chains; ++c) {
            keep(codes);  // or all chains would share one product
            sums[c].add(codes, codes);
        }
    }
    Vec total{};
#pragma GCC unroll 12
    for (std::int64_t c = 0; c < chains; ++c) {
        total += __builtin_convertvector(sums[c].total(), Vec);
    }
    return sum(total);
}

float exponentials(std::int64_t rounds) {
    return run_chains<exponential_chains>(rounds, [](Vec a) { return exp2(a); });
}

float read(const float* from, std::int64_t count) {
    Vec acc[4] = {};
    for (std::int64_t i = 0; i < count; i += 4 * width) {
        for (std::int64_t v = 0; v < 4; ++v) acc[v] += load(from + i + v * width);
    }
    return sum((acc[0] + acc[1]) + (acc[2] + acc[3]));
}

void copy(const float* from, std::int64_t count, float* to) {
    for (std::int64_t i = 0; i < count; i += width) store(to + i, load(from + i));
}

constexpr double lanes = static_cast<double>(width * chains);

}  // namespace

extern const LimitLoops limit_loops;
constinit const LimitLoops limit_loops {
    .multiply_adds = {lanes, multiply_adds},
#if defined(__AVX512BF16__)
    .bf16_products = {2.0 * lanes, bf16_products},
#else
    .bf16_products = {lanes, bf16_products},
#endif
    .byte_products = {4.0 * lanes, byte_products},
    .exponentials = {static_cast<double>(width * exponential_chains), exponentials}, .read = read,
    .copy = copy,
};

}  // namespace sipo::cpu::SIPO_ISA
