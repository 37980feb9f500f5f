#include "limits.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <utility>

#include "limit_loops.hpp"

namespace sipo::cpu {

namespace baseline {
extern const LimitLoops limit_loops;
}
#if defined(__x86_64__)
namespace avx2 {
extern const LimitLoops limit_loops;
}
namespace avx512 {
extern const LimitLoops limit_loops;
}
namespace avx512_bf16 {
extern const LimitLoops limit_loops;
}
#endif

const LimitLoops& select_limit_loops(const char* isa) {
#if defined(__x86_64__)
    const std::array<std::pair<std::string_view, const LimitLoops*>, 3> all{{
        {"avx2", &avx2::limit_loops},
        {"avx512", &avx512::limit_loops},
        {"avx512_bf16", &avx512_bf16::limit_loops},
    }};
    for (const auto& [name, loops] : all) {
        if (name == isa) return *loops;
    }
#endif
    return baseline::limit_loops;
}

namespace {

constexpr std::int64_t memory_bytes = std::int64_t{256} << 20;
constexpr int repeats = 7;
// Results go here, so that no loop is left out.
volatile float sink = 0.0F;

double seconds_of(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Fn>
double best_seconds(const Fn& fn) {
    double best = 1e9;
    for (int i = 0; i < repeats; ++i) {
        const double start = thread_seconds();
        fn();
        best = std::min(best, thread_seconds() - start);
    }
    return best;
}

double rate(const OperationLoop& loop) {
    constexpr std::int64_t rounds = 1 << 18;
    const double seconds = best_seconds([&] { sink = loop.run(rounds); });
    return loop.operations_a_round * static_cast<double>(rounds) / seconds;
}

double read_rate(const KernelTable& kernels, int threads) {
    MemoryReader reader(kernels, threads);
    double best = 0.0;
    for (int i = 0; i < repeats; ++i) best = std::max(best, reader.measure());
    return best;
}

double copy_rate(const LimitLoops& loops) {
    const Memory memory = allocate_bytes(memory_bytes);
    auto* from = reinterpret_cast<float*>(memory.get());
    constexpr std::int64_t half = memory_bytes / 2 / std::int64_t{sizeof(float)};
    // A line that is written is fetched first: three movements for one line copied.
    return 1.5 * static_cast<double>(memory_bytes) /
           best_seconds([&] { loops.copy(from, half, from + half); });
}

}  // namespace

double thread_seconds() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }
double wall_seconds() { return seconds_of(CLOCK_MONOTONIC); }

MemoryReader::MemoryReader(const KernelTable& kernels, int threads)
    : kernels_(kernels), pool_(threads), memory_(allocate_bytes(memory_bytes)) {}

double MemoryReader::measure() {
    constexpr std::int64_t parts = 32;
    constexpr std::int64_t count = memory_bytes / parts / std::int64_t{sizeof(float)};
    const auto* floats = reinterpret_cast<const float*>(memory_.get());
    const LimitLoops& loops = select_limit_loops(kernels_.name);
    const double start = wall_seconds();
    pool_.run(parts, [&](std::size_t part) {
        const float sum = loops.read(floats + static_cast<std::int64_t>(part) * count, count);
        if (sum != 0.0F) sink = sum;
    });
    return static_cast<double>(memory_bytes) / (wall_seconds() - start);
}

Limits measure_limits(const KernelTable& kernels, int threads) {
    const LimitLoops& loops = select_limit_loops(kernels.name);
    return {.multiply_adds = rate(loops.multiply_adds),
            .bf16_products = rate(loops.bf16_products),
            .byte_products = rate(loops.byte_products),
            .exponentials = rate(loops.exponentials),
            .read_bytes = read_rate(kernels, 1),
            .moved_bytes = copy_rate(loops),
            .read_bytes_all = read_rate(kernels, threads)};
}

std::string describe(const Limits& limits, int threads) {
    std::array<char, 400> line{};
    std::snprintf(
        line.data(), line.size(),
        "one thread: %.0f G multiply-adds of float32, %.0f of bf16, %.0f of bytes, %.1f G "
        "exponentials; memory: %.1f GB/s read by one thread, %.1f by %d, %.1f moved by a copy",
        1e-9 * limits.multiply_adds, 1e-9 * limits.bf16_products, 1e-9 * limits.byte_products,
        1e-9 * limits.exponentials, 1e-9 * limits.read_bytes, 1e-9 * limits.read_bytes_all, threads,
        1e-9 * limits.moved_bytes);
    return line.data();
}

}  // namespace sipo::cpu
