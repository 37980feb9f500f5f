// Mamba-1's recurrence for one token of each of many sequences, as selective_scan.cu calls it.
#pragma once

#include "kernels.hpp"

namespace sipo::cuda {

// False where the states of a channel are not sixteen, and nothing is done.
template <typename T>
[[nodiscard]] bool scan_step(const ScanArgs<T, T>& args, const StateTable& states, cudaStream_t s);

}  // namespace sipo::cuda
