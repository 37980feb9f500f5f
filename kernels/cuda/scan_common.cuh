// What both scans share: which row a visited token lies in, and what a context method does to Δ.
#pragma once

#include "device_math.cuh"
#include "kernels.hpp"

namespace sipo::cuda {

template <typename T, typename D>
__device__ std::int64_t visited_row(const ScanArgs<T, D>& args, std::int64_t t) {
    return args.index != nullptr ? args.index[t] : t;
}

// Δ ← Δ > threshold ? Δ · scale : 0. A NaN Δ stays one, as on the CPU.
struct Filter {
    float threshold = 0.0F;
    float scale = 1.0F;
    bool active = false;
    __device__ float operator()(float delta) const {
        if (!active) return delta;
        return delta <= threshold ? 0.0F : delta * scale;
    }
};

template <typename T, typename D>
__device__ Filter filter_of(const ScanArgs<T, D>& args, std::int64_t channel) {
    if (args.threshold == nullptr) return {};
    return {args.threshold[channel], args.scale[channel], true};
}

}  // namespace sipo::cuda
