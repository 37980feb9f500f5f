// A token of Mamba-1's recurrence, as the kernels of a step take it.
#pragma once

#include "device_math.cuh"

namespace sipo::cuda {

// Of a thread's channels.
template <int Width>
struct StepInput {
    const Pack<float, Width>& delta;  // Δ · log₂ e
    const Pack<float, Width>& input;  // Δ · x
};
// One of the states of each: h ← exp(Δ A) h + Δ B x, y ← y + C h. T: what y is rounded to. The sums are
// written out so that they round alike whatever the Width.
template <typename T, int Width>
__device__ void advance(Pack<float, Width>& h, const Pack<float, Width>& a,
                        const StepInput<Width>& in, float b, float c, Pack<float, Width>& y) {
#pragma unroll
    for (int e = 0; e < Width; ++e) {
        const float decay = decay_exp2<T>(in.delta.values[e] * a.values[e]);
        h.values[e] = fmaf(decay, h.values[e], in.input.values[e] * b);
        y.values[e] = fmaf(h.values[e], c, y.values[e]);
    }
}

}  // namespace sipo::cuda
