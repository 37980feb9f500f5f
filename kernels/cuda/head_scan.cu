// Mamba-2's recurrence, a scalar decay a head: h ← exp(Δ A) h + Δ B ⊗ x, y = C h + D x.
//
// `scan_heads` is the equations token by token, a block a head: the reference, and the version for
// odd shapes. `step_heads` is the step of decoding. Prompts: head_scan_parts.cu in bf16,
// head_scan_columns.cu in f32.
#include "four.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "scan_common.cuh"

namespace sipo::cuda {
namespace {

constexpr int head_threads = 256;

// State [d_state, head_dim] of a head. Thread: a column p and every slices-th state.
template <typename T>
__global__ void scan_heads(ScanArgs<T, float> args, StateTable states, std::int64_t tokens) {
    __shared__ float partial[head_threads];
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t head = blockIdx.x;
    const std::int64_t group = head / (args.n_heads / args.n_groups);
    const Filter filter = filter_of(args, head);
    const Rows<float> state{states.data[blockIdx.y] + head * args.d_state * states.stride,
                            states.stride};
    const auto columns = static_cast<int>(min(args.head_dim, std::int64_t{head_threads}));
    const int slices = head_threads / columns;
    const int slice = static_cast<int>(threadIdx.x) / columns;
    for (std::int64_t t = blockIdx.y; t < blockIdx.y + tokens; ++t) {
        const std::int64_t row = visited_row(args, t);
        const float delta = filter(args.delta.row(row)[head]);
        const float decay = decay_exp2<T>(delta * args.a[head] * log2_e);
        const T* b = args.b.row(row) + group * args.d_state;
        const T* c = args.c.row(row) + group * args.d_state;
        for (std::int64_t first = 0; first < args.head_dim; first += columns) {
            const std::int64_t p = first + threadIdx.x % columns;
            const bool whole = slice < slices && p < args.head_dim;
            const T* x = args.x.row(row) + head * args.head_dim;
            float sum = 0.0F;
            for (std::int64_t n = slice; whole && n < args.d_state; n += slices) {
                float* h = state.row(n) + p;
                *h = decay * *h + delta * to_float(x[p]) * to_float(b[n]);
                sum += *h * to_float(c[n]);
            }
            partial[threadIdx.x] = sum;
            __syncthreads();
            if (slice == 0 && whole) {
                float y = args.d[head] * to_float(x[p]);
                for (int s = 0; s < slices; ++s) y += partial[s * columns + threadIdx.x];
                args.y.row(t)[head * args.head_dim + p] = from_float<T>(y);
            }
            __syncthreads();
        }
    }
}

// One token of each of many sequences, a block a head and sequence: a thread holds four columns of
// every 16th state. All that it needs is under way before the first of it is used, and a state that
// was written is not kept in the cache, since the next step is the next to read it.
constexpr int step_columns = 64;  // of a head
constexpr int step_lanes = step_columns / 4;
constexpr int step_slices = head_threads / step_lanes;

// y of a column: the warps' sums, in order.
template <typename T>
__device__ void finish_heads(const ScanArgs<T, float>& args, std::int64_t row,
                             const float (*partial)[step_columns]) {
    const auto column = static_cast<int>(threadIdx.x);
    if (column >= step_columns) return;
    const std::int64_t place = std::int64_t{blockIdx.x} * step_columns + column;
    float y = args.d[blockIdx.x] * to_float(args.x.row(row)[place]);
#pragma unroll
    for (int w = 0; w < head_threads / warp_size; ++w) y += partial[w][column];
    args.y.row(blockIdx.y)[place] = from_float<T>(y);
}

// Held: states of a thread.
template <typename T, int Held>
__global__ __launch_bounds__(head_threads) void step_heads(ScanArgs<T, float> args,
                                                           StateTable states) {
    __shared__ float partial[head_threads / warp_size][step_columns];
    const auto thread = static_cast<int>(threadIdx.x);
    const auto head = static_cast<int>(blockIdx.x);
    const int group = head / static_cast<int>(args.n_heads / args.n_groups);
    const int slice = thread / step_lanes;
    const int p = thread % step_lanes * 4;
    const std::int64_t next = step_slices * states.stride;
    float* own = states.data[blockIdx.y] +
                 (std::int64_t{head} * Held * step_slices + slice) * states.stride + p;
    wait_for_predecessor();
    let_successor_start();
    Four h[Held];
#pragma unroll
    for (int i = 0; i < Held; ++i) h[i] = load_four(own + i * next);
    const std::int64_t row = visited_row(args, blockIdx.y);
    const float delta = filter_of(args, head)(args.delta.row(row)[head]);
    const float decay = decay_exp2<T>(delta * args.a[head] * log2_e);
    const Four x = load_four(args.x.row(row) + head * step_columns + p);
    const T* b = args.b.row(row) + group * args.d_state + slice;
    const T* c = args.c.row(row) + group * args.d_state + slice;
    float weight[Held], read[Held];
#pragma unroll
    for (int i = 0; i < Held; ++i) {
        weight[i] = delta * to_float(b[i * step_slices]);
        read[i] = to_float(c[i * step_slices]);
    }
    Four sum{};
#pragma unroll
    for (int i = 0; i < Held; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            h[i].values[e] = decay * h[i].values[e] + weight[i] * x.values[e];
            sum.values[e] += h[i].values[e] * read[i];
        }
        store_passing(own + i * next, h[i]);
    }
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        sum.values[e] += __shfl_xor_sync(0xffffffffU, sum.values[e], step_lanes);
    }
    if (thread % warp_size < step_lanes) store_four(&partial[thread / warp_size][p], sum);
    __syncthreads();
    finish_heads(args, row, partial);
}

// Whether `step_heads` takes these shapes and addresses.
template <typename T>
bool fits_step(const ScanArgs<T, float>& args, const StateTable& states) {
    if (args.head_dim != step_columns || !is_wide(args.x, args.d_inner)) return false;
    for (std::int64_t i = 0; i < args.tokens; ++i) {
        if (reinterpret_cast<std::uintptr_t>(states.data[i]) % 16 != 0) return false;
    }
    return states.stride % 4 == 0;
}

void run_heads(const auto& args, const StateTable& states, std::int64_t rows, std::int64_t tokens,
               cudaStream_t s, auto kernel) {
    launch(s, dim3(static_cast<unsigned>(args.n_heads), static_cast<unsigned>(rows)), head_threads,
           0, kernel, args, states, tokens);
}

}  // namespace

template <typename T>
void head_scan(const ScanArgs<T, float>& args, Rows<float> state, cudaStream_t s) {
    StateTable one;
    one.data[0] = state.data;
    one.stride = state.stride;
    run_heads(args, one, 1, args.tokens, s, scan_heads<T>);
}
template void head_scan(const ScanArgs<float, float>&, Rows<float>, cudaStream_t);
template void head_scan(const ScanArgs<bf16, float>&, Rows<float>, cudaStream_t);

template <typename T>
void head_scan_step(const ScanArgs<T, float>& args, const StateTable& states, cudaStream_t s) {
    const auto step = [&](auto kernel) {
        launch(s, dim3(static_cast<unsigned>(args.n_heads), static_cast<unsigned>(args.tokens)),
               head_threads, 0, kernel, args, states);
    };
    const bool fits = fits_step(args, states);
    if (fits && args.d_state == 8 * step_slices) return step(step_heads<T, 8>);
    if (fits && args.d_state == 4 * step_slices) return step(step_heads<T, 4>);
    run_heads(args, states, args.tokens, 1, s, scan_heads<T>);
}
template void head_scan_step(const ScanArgs<float, float>&, const StateTable&, cudaStream_t);
template void head_scan_step(const ScanArgs<bf16, float>&, const StateTable&, cudaStream_t);

}  // namespace sipo::cuda
