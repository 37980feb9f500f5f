// The causal convolution with SiLU, depthwise: out[t] = SiLU(bias + Σ_k weight[k] · in[t − K + 1 + k]).
//
// A thread takes a few neighbouring channels through a run of tokens and keeps the last K inputs in
// registers, so that an input is read once for each run and its K − 1 predecessors again at the
// run's start: (run + K − 1) / run of the bytes. Rows are tokens, so a warp's reads lie side by side.
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 128;
constexpr int run_tokens = 8;

// The input of row `row`, which lies in the history when it is negative.
template <typename T, int Width>
__device__ void load_input(const ConvArgs<T>& args, const Rows<float>& history, std::int64_t row,
                           std::int64_t channel, float (&values)[Width]) {
    if (row >= 0) {
        const auto in = *reinterpret_cast<const Pack<T, Width>*>(args.in.row(row) + channel);
#pragma unroll
        for (int i = 0; i < Width; ++i) values[i] = to_float(in.values[i]);
    } else {
        const float* from = history.row(row + args.taps - 1) + channel;
#pragma unroll
        for (int i = 0; i < Width; ++i) values[i] = from[i];
    }
}

template <typename T, int Width, int Taps>
__global__ void conv_runs(ConvArgs<T> args, Rows<float> history) {
    const std::int64_t channel = (std::int64_t{blockIdx.x} * threads + threadIdx.x) * Width;
    if (channel >= args.channels) return;
    float weight[Taps][Width];
    float bias[Width];
#pragma unroll
    for (int i = 0; i < Width; ++i) {
        bias[i] = args.bias != nullptr ? args.bias[channel + i] : 0.0F;
#pragma unroll
        for (int k = 0; k < Taps; ++k) {
            weight[k][i] = args.weight[k * args.weight_stride + channel + i];
        }
    }
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t first = std::int64_t{blockIdx.y} * run_tokens;
    // All inputs are asked for before the first is used: nothing here depends on another.
    Pack<T, Width> inputs[run_tokens];
#pragma unroll
    for (int i = 0; i < run_tokens; ++i) {
        const std::int64_t t = min(first + i, args.tokens - 1);
        inputs[i] = *reinterpret_cast<const Pack<T, Width>*>(args.in.row(t) + channel);
    }
    float window[Taps][Width];
#pragma unroll
    for (int k = 1; k < Taps; ++k) {
        load_input(args, history, first - Taps + k, channel, window[k]);
    }
#pragma unroll
    for (int t = 0; t < run_tokens; ++t) {
        Pack<T, Width> out;
#pragma unroll
        for (int i = 0; i < Width; ++i) {
            float sum = bias[i];
#pragma unroll
            for (int k = 0; k < Taps; ++k) {
                if (k + 1 < Taps) window[k][i] = window[k + 1][i];
                else window[k][i] = to_float(inputs[t].values[i]);
                sum += weight[k][i] * window[k][i];
            }
            out.values[i] = from_float<T>(silu<T>(sum));
        }
        if (first + t < args.tokens) {
            *reinterpret_cast<Pack<T, Width>*>(args.out.row(first + t) + channel) = out;
        }
    }
}

// Any number of taps: every input read anew.
template <typename T>
__device__ float conv_at(const ConvArgs<T>& args, const Rows<float>& history, std::int64_t t,
                         std::int64_t channel) {
    float sum = args.bias != nullptr ? args.bias[channel] : 0.0F;
    for (std::int64_t k = 0; k < args.taps; ++k) {
        float value[1];
        load_input(args, history, t - args.taps + 1 + k, channel, value);
        sum += args.weight[k * args.weight_stride + channel] * value[0];
    }
    return sum;
}

template <typename T>
__global__ void conv_any_taps(ConvArgs<T> args, Rows<float> history) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t channel = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (channel >= args.channels) return;
    const std::int64_t first = std::int64_t{blockIdx.y} * run_tokens;
    for (std::int64_t t = first; t < min(first + run_tokens, args.tokens); ++t) {
        args.out.row(t)[channel] = from_float<T>(silu<T>(conv_at(args, history, t, channel)));
    }
}

// The last taps − 1 rows of [history; in] become the history. A row is read before it is written:
// it moves towards the front.
template <typename T>
__device__ void move_history(const ConvArgs<T>& args, const Rows<float>& history,
                             std::int64_t channel) {
    for (std::int64_t k = 0; k < args.taps - 1; ++k) {
        float value[1];
        load_input(args, history, args.tokens - args.taps + 1 + k, channel, value);
        history.row(k)[channel] = value[0];
    }
}

template <typename T>
__global__ void move_histories(ConvArgs<T> args, Rows<float> history) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t channel = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (channel < args.channels) move_history(args, history, channel);
}

template <typename T>
__global__ void conv_step(ConvArgs<T> args, StateTable histories) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t channel = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (channel >= args.channels) return;
    const Rows<float> history{histories.data[blockIdx.y], histories.stride};
    args.in.data = args.in.row(blockIdx.y);
    args.out.data = args.out.row(blockIdx.y);
    args.out.data[channel] = from_float<T>(silu<T>(conv_at(args, history, 0, channel)));
    move_history(args, history, channel);
}

}  // namespace

template <typename T>
void conv_silu(const ConvArgs<T>& args, Rows<float> history, cudaStream_t s) {
    const bool packed = is_wide(args.in, args.channels) && is_wide(args.out, args.channels);
    const unsigned runs = blocks_for(args.tokens, run_tokens);
    const unsigned narrow = blocks_for(args.channels, threads);
    if (args.taps == 4 && packed) {
        launch(s, dim3(blocks_for(args.channels, threads * wide<T>), runs), threads, 0,
               conv_runs<T, wide<T>, 4>, args, history);
    } else if (args.taps == 4) {
        launch(s, dim3(narrow, runs), threads, 0, conv_runs<T, 1, 4>, args, history);
    } else {
        launch(s, dim3(narrow, runs), threads, 0, conv_any_taps<T>, args, history);
    }
    launch(s, narrow, threads, 0, move_histories<T>, args, history);
}
template void conv_silu(const ConvArgs<float>&, Rows<float>, cudaStream_t);
template void conv_silu(const ConvArgs<bf16>&, Rows<float>, cudaStream_t);

template <typename T>
void conv_silu_step(const ConvArgs<T>& args, const StateTable& histories, cudaStream_t s) {
    ConvArgs<T> one = args;
    one.tokens = 1;
    launch(s, dim3(blocks_for(args.channels, threads), static_cast<unsigned>(args.tokens)),
           threads, 0, conv_step<T>, one, histories);
}
template void conv_silu_step(const ConvArgs<float>&, const StateTable&, cudaStream_t);
template void conv_silu_step(const ConvArgs<bf16>&, const StateTable&, cudaStream_t);

}  // namespace sipo::cuda
