// Stands for kernels/cuda/async_copy.cuh.
#pragma once
#include <cuda_runtime.h>

namespace sipo::cuda {

inline std::uint32_t shared_address(const void* pointer) {
    return emulator::shared_address(pointer);
}
inline void copy_async(void* to, const void* from, bool present) {
    emulator::copy_async(to, from, 16, present);
}
inline void copy_async(std::uint32_t to, const void* from, bool present) {
    copy_async(emulator::resolve(to), from, present);
}
template <int Bytes>
void copy_few_async(void* to, const void* from) {
    emulator::copy_async(to, from, Bytes, true);
}
inline void end_copy_group() { emulator::commit_group(); }
template <int Left>
void wait_copy_groups() {
    emulator::wait_groups(Left);
}

}  // namespace sipo::cuda
