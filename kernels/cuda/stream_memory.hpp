// What a stream takes of the device's memory for itself: told before the work, as cuda_stream.cpp will take
// it.
#pragma once

#include <cstdint>

#include "backend/backend.hpp"

namespace sipo::cuda {

// On the current device.
[[nodiscard]] std::int64_t stream_bytes(const backend::StreamWork& work, int multiprocessors);

}  // namespace sipo::cuda
