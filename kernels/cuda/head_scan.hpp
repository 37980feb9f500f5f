// The forms of Mamba-2's scan for prompts: on tensor cores (head_scan_parts.cu), and in f32 with the
// state in registers (head_scan_columns.cu).
#pragma once

#include "kernels.hpp"

namespace sipo::cuda {

// How a prompt is cut, and the floats of scratch memory that takes.
struct HeadScanPlan {
    std::int64_t segments = 1;
    std::int64_t segment_tokens = 0;
    std::int64_t scratch = 0;
};

// Whether it takes these shapes and addresses.
[[nodiscard]] bool fits_head_scan_parts(const ScanArgs<__nv_bfloat16, float>& args);
[[nodiscard]] HeadScanPlan plan_head_scan(const ScanArgs<__nv_bfloat16, float>& args,
                                          int multiprocessors);
void head_scan_parts(const ScanArgs<__nv_bfloat16, float>& args, Rows<float> state,
                     const HeadScanPlan& plan, float* scratch, cudaStream_t s);

// False where it does not take these shapes, and nothing is done.
inline constexpr std::int64_t max_heads = 65535;  // blocks of a grid in one direction
template <typename T>
[[nodiscard]] bool head_scan_columns(const ScanArgs<T, float>& args, Rows<float> state,
                                     cudaStream_t s);

}  // namespace sipo::cuda
