// The operations of the CUDA backend, each enqueued on a stream of the runtime of its own.
#pragma once

#include <memory>

#include "backend/backend.hpp"
#include "device.hpp"

namespace sipo::cuda {

[[nodiscard]] backend::StreamPtr make_cuda_stream(const std::shared_ptr<Device>& device);

}  // namespace sipo::cuda
