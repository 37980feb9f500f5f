// A Mamba-1 layer for the next token of one sequence, in four launches instead of seven. At this
// size a launch costs as much as its work, so what needs no other block's result goes together:
//   1. norm, in_proj, convolution and SiLU: every block norms the row for itself, and the warp that
//      has a channel's product also has all that its convolution needs;
//   2. x_proj (gemv.cu);
//   3. dt_proj, softplus, the recurrence and the gate;
//   4. out_proj onto the residual stream (gemv.cu).
// Each asks for its weights and states before its predecessor has ended. That is safe for whatever
// the predecessor itself does not write: a kernel starts when its predecessor has stopped waiting,
// so everything before that one is complete.
#include "gemv.cuh"
#include "mamba1_step.hpp"

namespace sipo::cuda {
namespace {

// The row of the residual stream, normed, as gemv's inputs lie; rounded to what a product reads.
template <typename T>
__device__ void stage_normed(const Mamba1StepArgs<T>& args, float* inputs, int padded,
                             float* scratch) {
    float squares = 0.0F;
    for (int c = threadIdx.x; c < args.d_model; c += gemv_threads) {
        const float v = args.residual[c];
        inputs[input_place(c)] = v * args.norm[c];
        squares += v * v;
    }
    for (int c = args.d_model + threadIdx.x; c < padded; c += gemv_threads) {
        inputs[input_place(c)] = 0.0F;
    }
    const float mean = block_sum(squares, scratch) / static_cast<float>(args.d_model);
    const float factor = rsqrtf(mean + args.norm_eps);
    for (int c = threadIdx.x; c < args.d_model; c += gemv_threads) {
        float& v = inputs[input_place(c)];
        v = to_float(from_float<T>(v * factor));
    }
    __syncthreads();
}

// Lane k < taps − 1 holds the history's row k, lane taps − 1 the product.
template <typename T>
__device__ void convolve(const Mamba1StepArgs<T>& args, std::int64_t channel, float product) {
    const int lane = threadIdx.x % warp_size;
    const int newest = args.taps - 1;
    float value = to_float(from_float<T>(product));
    float weight = 0.0F;
    if (lane < newest) value = args.history.row(lane)[channel];
    if (lane <= newest) weight = args.conv_weight[lane * args.conv_stride + channel];
    const float after = __shfl_down_sync(0xffffffffU, value, 1);
    if (lane < newest) args.history.row(lane)[channel] = after;
    const float sum = warp_sum(lane <= newest ? weight * value : 0.0F);
    const float bias = args.conv_bias != nullptr ? args.conv_bias[channel] : 0.0F;
    if (lane == 0) args.x[channel] = from_float<T>(silu<T>(sum + bias));
}

template <typename T, DType Type, int Steps>
__global__ __launch_bounds__(gemv_threads) void project_step(Mamba1StepArgs<T> args, Weights w,
                                                             int padded) {
    extern __shared__ __align__(16) float inputs[];  // [padded], placed
    __shared__ float scratch[gemv_warps];
    RowPart<Type, Steps> part;
    part.load(w, first_output(), 0);
    wait_for_predecessor();
    let_successor_start();
    stage_normed(args, inputs, padded, scratch);
    for_products<Type, 1, Steps>(w, inputs, padded, part,
                                 [&](std::int64_t output, const float* sums) {
                                     if (output < args.d_inner) {
                                         convolve(args, output, sums[0]);
                                     } else if (threadIdx.x % warp_size == 0) {
                                         args.z[output - args.d_inner] = from_float<T>(sums[0]);
                                     }
                                 });
}

constexpr int step_channels = 16;  // of a block; a thread a channel and state
constexpr int step_states = 16;
constexpr int step_threads = step_channels * step_states;
constexpr int max_rank_pieces = 8;  // dt_rank up to 256

// Δ of a block's channels: a warp two of them, its lanes along dt_rank.
template <typename T>
struct RankWeights {
    static constexpr int channels = step_channels / (step_threads / warp_size);
    float values[channels][max_rank_pieces];
    __device__ void load(const Mamba1StepArgs<T>& args, std::int64_t first) {
        const int lane = threadIdx.x % warp_size;
#pragma unroll
        for (int c = 0; c < channels; ++c) {
            const std::int64_t channel = first + threadIdx.x / warp_size * channels + c;
#pragma unroll
            for (int i = 0; i < max_rank_pieces; ++i) {
                const int r = lane + i * warp_size;
                values[c][i] = r < args.dt_rank && channel < args.d_inner
                                   ? args.layer.dt_weight[channel * args.layer.dt_stride + r]
                                   : 0.0F;
            }
        }
    }
    // The sum for channel c, in every lane.
    __device__ float multiply(const Mamba1StepArgs<T>& args, int c) const {
        float sum = 0.0F;
#pragma unroll
        for (int i = 0; i < max_rank_pieces; ++i) {
            const int r = threadIdx.x % warp_size + i * warp_size;
            if (r < args.dt_rank) sum += values[c][i] * to_float(args.dt_b_c[r]);
        }
        return warp_sum(sum);
    }
};

template <typename T>
__global__ __launch_bounds__(step_threads) void scan_step(Mamba1StepArgs<T> args) {
    __shared__ float deltas[step_channels];
    __shared__ float partial[step_states][step_channels];
    const std::int64_t first = std::int64_t{blockIdx.x} * step_channels;
    const int c = threadIdx.x % step_channels;
    const int n = threadIdx.x / step_channels;
    const std::int64_t channel = first + c;
    const bool whole = channel < args.d_inner;
    RankWeights<T> rank;
    rank.load(args, first);
    const float a = whole ? args.layer.a[n * args.layer.a_stride + channel] * log2_e : 0.0F;
    float h = whole ? args.state.row(n)[channel] : 0.0F;
    const float x = whole ? to_float(args.x[channel]) : 0.0F;
    const float z = whole ? to_float(args.z[channel]) : 0.0F;
    const float skip = whole ? args.layer.d[channel] : 0.0F;
    wait_for_predecessor();
    let_successor_start();
    const float b = to_float(args.dt_b_c[args.dt_rank + n]);
    const float out = to_float(args.dt_b_c[args.dt_rank + step_states + n]);
#pragma unroll
    for (int i = 0; i < RankWeights<T>::channels; ++i) {
        const int own = threadIdx.x / warp_size * RankWeights<T>::channels + i;
        const float sum = rank.multiply(args, i);
        if (threadIdx.x % warp_size == 0 && first + own < args.d_inner) {
            const float v = softplus<float>(sum + args.layer.dt_bias[first + own]);
            deltas[own] =
                to_float(from_float<T>(clamp_keeping_nan(v, args.layer.low, args.layer.high)));
        }
    }
    __syncthreads();
    const float delta = deltas[c];
    h = decay_exp2<T>(delta * a) * h + delta * x * b;
    if (whole) args.state.row(n)[channel] = h;
    partial[n][c] = h * out;
    __syncthreads();
    if (n != 0 || !whole) return;
    float y = skip * x;
#pragma unroll
    for (int i = 0; i < step_states; ++i) y += partial[i][c];
    args.y[channel] = from_float<T>(y * silu<T>(z));
}

}  // namespace

template <typename T>
bool fits_step(const Mamba1StepArgs<T>& args) {
    return args.d_state == step_states && args.dt_rank <= max_rank_pieces * warp_size &&
           args.taps <= warp_size && static_cast<DType>(args.in_proj.type) <= DType::q4;
}
template bool fits_step(const Mamba1StepArgs<float>&);
template bool fits_step(const Mamba1StepArgs<bf16>&);

template <typename T>
void mamba1_step(const Mamba1StepArgs<T>& args, cudaStream_t s) {
    for_type(args.in_proj, [&]<DType Type>() {
        const int padded = padded_inputs(args.in_proj);
        const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(padded);
        for_steps(args.in_proj, [&]<int Steps>() {
            const auto kernel = project_step<T, Type, Steps>;
            allow_shared(kernel, bytes);
            launch(s, gemv_blocks(kernel, bytes, args.in_proj.rows), gemv_threads, bytes, kernel,
                   args, args.in_proj, padded);
        });
    });
    const std::int64_t width = args.dt_rank + 2 * args.d_state;
    gemv(Rows<T>{args.x, args.d_inner}, args.x_proj, 1, {}, Rows<T>{args.dt_b_c, width}, s);
    launch(s, blocks_for(args.d_inner, step_channels), step_threads, 0, scan_step<T>, args);
    gemv(Rows<T>{args.y, args.d_inner}, args.out_proj, 1, {.kind = Finish::add},
         Rows<float>{args.residual, args.d_model}, s);
}
template void mamba1_step(const Mamba1StepArgs<float>&, cudaStream_t);
template void mamba1_step(const Mamba1StepArgs<bf16>&, cudaStream_t);

}  // namespace sipo::cuda
