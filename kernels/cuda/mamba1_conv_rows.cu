// The convolution of a Mamba-1 step of several sequences, bf16.
#include "four.cuh"
#include "launch.hpp"
#include "mamba1_rows.hpp"

namespace sipo::cuda {
namespace {

constexpr int conv_threads = 128;
constexpr int taps = 4;

__global__ __launch_bounds__(conv_threads) void convolve_rows(ConvRowsArgs args,
                                                              StateTable histories) {
    const std::int64_t channel = (std::int64_t{blockIdx.x} * conv_threads + threadIdx.x) * 4;
    const bool present = channel < args.d_inner;
    float* history = histories.data[blockIdx.y] + channel;
    Four window[taps], weight[taps];
    Four sum{};
    if (present) {
#pragma unroll
        for (int k = 0; k < taps - 1; ++k) window[k] = load_four(history + k * histories.stride);
#pragma unroll
        for (int k = 0; k < taps; ++k) {
            weight[k] = load_four(args.weight + k * args.weight_stride + channel);
        }
        if (args.bias != nullptr) sum = load_four(args.bias + channel);
    }
    wait_for_predecessor();
    let_successor_start();
    if (!present) return;
    window[taps - 1] = load_four(args.in.row(blockIdx.y) + channel);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int k = 0; k < taps; ++k) sum.values[i] += weight[k].values[i] * window[k].values[i];
        sum.values[i] = silu<bf16>(sum.values[i]);
    }
    store_four(args.out.row(blockIdx.y) + channel, sum);
#pragma unroll
    for (int k = 0; k < taps - 1; ++k) store_four(history + k * histories.stride, window[k + 1]);
}

}  // namespace

void conv_rows(const ConvRowsArgs& args, const StateTable& histories, std::int64_t rows,
               cudaStream_t s) {
    launch(s, dim3(blocks_for(args.d_inner, conv_threads * 4), static_cast<unsigned>(rows)),
           conv_threads, 0, convolve_rows, args, histories);
}

}  // namespace sipo::cuda
