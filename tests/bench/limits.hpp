// What this machine can do at most, measured.
#pragma once

#include <string>

#include "arena.hpp"
#include "base/thread_pool.hpp"
#include "kernel_table.hpp"

namespace sipo::cpu {

// All a second.
struct Limits {
    double multiply_adds;   // float32, one thread
    double bf16_products;   // multiply-adds of bf16 pairs, one thread
    double byte_products;   // multiply-adds of 4-bit codes and bytes, one thread
    double exponentials;    // one thread
    double read_bytes;      // from memory, one thread
    double moved_bytes;     // to and from memory by a copy, one thread
    double read_bytes_all;  // from memory, all threads
};

[[nodiscard]] Limits measure_limits(const KernelTable& kernels, int threads);
[[nodiscard]] std::string describe(const Limits& limits, int threads);

// Reads memory far larger than the caches.
class MemoryReader {
public:
    MemoryReader(const KernelTable& kernels, int threads);
    // Bytes a second of one pass.
    [[nodiscard]] double measure();

private:
    const KernelTable& kernels_;
    ThreadPool pool_;
    Memory memory_;
};

// Seconds that this thread computed: what else the machine does must not count.
[[nodiscard]] double thread_seconds();
[[nodiscard]] double wall_seconds();

}  // namespace sipo::cpu
