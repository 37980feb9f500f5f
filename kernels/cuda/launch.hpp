// Launches a kernel so that it may start before the one before it has ended; device_math.cuh says
// what a kernel owes for that. Errors become sipo::Error.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "cuda_check.hpp"

namespace sipo::cuda {

// In clusters of `cluster` blocks along the grid's first dimension.
template <typename... Params, typename... Args>
void launch_clusters(cudaStream_t stream, unsigned cluster, dim3 grid, dim3 block,
                     std::size_t shared_bytes, void (*kernel)(Params...), Args&&... args) {
    cudaLaunchAttribute attributes[2]{};
    attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[0].val.programmaticStreamSerializationAllowed = 1;
    attributes[1].id = cudaLaunchAttributeClusterDimension;
    attributes[1].val.clusterDim.x = cluster;
    attributes[1].val.clusterDim.y = 1;
    attributes[1].val.clusterDim.z = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    config.attrs = attributes;
    config.numAttrs = cluster > 1 ? 2 : 1;  // without clusters other cards than Hopper will do
    check(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...), "a kernel's launch");
}

template <typename... Params, typename... Args>
void launch(cudaStream_t stream, dim3 grid, dim3 block, std::size_t shared_bytes,
            void (*kernel)(Params...), Args&&... args) {
    launch_clusters(stream, 1, grid, block, shared_bytes, kernel, std::forward<Args>(args)...);
}

// Blocks of `threads` for `count` items, within what a grid's first dimension takes.
[[nodiscard]] inline unsigned blocks_for(std::int64_t count, std::int64_t threads) {
    return static_cast<unsigned>((count + threads - 1) / threads);
}

// A block may use more than 48 KiB of shared memory only when the kernel says so first.
template <typename Kernel>
void allow_shared(Kernel* kernel, std::size_t bytes) {
    check(
        cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        "the kernel's shared memory");
}

}  // namespace sipo::cuda
