// Turns the runtime's error codes into the engine's exception.
#pragma once

#include <cuda_runtime.h>

namespace sipo::cuda {

[[noreturn]] void fail_cuda(cudaError_t error, const char* what);

inline void check(cudaError_t error, const char* what) {
    if (error != cudaSuccess) fail_cuda(error, what);
}

}  // namespace sipo::cuda
