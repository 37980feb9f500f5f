// Mamba-1's scan of a long prompt in time segments, as cuda_stream.cpp calls it where that pays.
#pragma once

#include "kernels.hpp"

namespace sipo::cuda {

// How a prompt is cut, and the floats of scratch memory that takes. One segment: not at all, and
// selective_scan() is the kernel to call.
struct SegmentPlan {
    std::int64_t segments = 1;
    std::int64_t tokens = 0;  // of each but the last
    std::int64_t scratch = 0;
};

template <typename T>
[[nodiscard]] SegmentPlan plan_scan_segments(const ScanArgs<T, T>& args, int multiprocessors);
// For a plan of two segments or more.
template <typename T>
void scan_segments(const ScanArgs<T, T>& args, Rows<float> state, const SegmentPlan& plan,
                   float* scratch, cudaStream_t s);

}  // namespace sipo::cuda
