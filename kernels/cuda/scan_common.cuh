// What both scans share: which row a visited token lies in, and what a context method does to Δ.
#pragma once

#include "device_math.cuh"
#include "kernels.hpp"

namespace sipo::cuda {

template <typename T, typename D>
__device__ std::int64_t visited_row(const ScanArgs<T, D>& args, std::int64_t t) {
    return args.index != nullptr ? args.index[t] : t;
}

// Δ ← Δ > threshold ? Δ · scale : 0. A NaN Δ stays one, as on the CPU. Without a branch: where
// there is no method, the threshold stops nothing.
struct Filter {
    float threshold = -INFINITY;
    float scale = 1.0F;
    __device__ float operator()(float delta) const {
        return delta <= threshold ? 0.0F : delta * scale;
    }
};

template <typename T, typename D>
__device__ Filter filter_of(const ScanArgs<T, D>& args, std::int64_t channel) {
    if (args.threshold == nullptr) return {};
    return {args.threshold[channel], args.scale[channel]};
}

}  // namespace sipo::cuda
