// The operations of the CPU backend: every one cuts its work into tasks for the thread pool and
// leaves the arithmetic to the kernels of the table.
#pragma once

#include "backend/backend.hpp"
#include "kernel_table.hpp"

namespace sipo::cpu {

[[nodiscard]] backend::StreamPtr make_cpu_stream(const KernelTable& kernels, int threads);

// What such a stream takes for itself once it has done that work.
[[nodiscard]] std::int64_t cpu_stream_bytes(int threads, const backend::StreamWork& work);

}  // namespace sipo::cpu
