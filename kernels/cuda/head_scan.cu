// Mamba-2's recurrence, a scalar decay a head: h ← exp(Δ A) h + Δ B ⊗ x, y = C h + D x.
//
// `scan_heads` is the equations token by token, a block a head: the reference, and the version for
// odd shapes. `step_heads` is the step of decoding. Prompts: head_scan_parts.cu in bf16,
// head_scan_columns.cu in f32.
#include "device_math.cuh"
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
// every `slices`-th state, and all its loads are under way before the first is used.
constexpr int step_rows = 8;  // states a thread holds at most

template <typename T>
__global__ __launch_bounds__(head_threads) void step_heads(ScanArgs<T, float> args,
                                                           StateTable states) {
    __shared__ float4 partial[head_threads];
    const std::int64_t head = blockIdx.x;
    const std::int64_t group = head / (args.n_heads / args.n_groups);
    const int lanes = static_cast<int>(args.head_dim) / 4;  // of a row
    const int slices = head_threads / lanes;
    const int slice = static_cast<int>(threadIdx.x) / lanes;
    const int p = static_cast<int>(threadIdx.x) % lanes * 4;
    const auto d_state = static_cast<int>(args.d_state);
    float* own = states.data[blockIdx.y] + head * args.d_state * states.stride + p;
    wait_for_predecessor();
    let_successor_start();
    float4 h[step_rows];
#pragma unroll
    for (int i = 0; i < step_rows; ++i) {
        const int n = slice + i * slices;
        if (n < d_state) h[i] = *reinterpret_cast<const float4*>(own + n * states.stride);
    }
    const std::int64_t row = visited_row(args, blockIdx.y);
    const float delta = filter_of(args, head)(args.delta.row(row)[head]);
    const float decay = decay_exp2<T>(delta * args.a[head] * log2_e);
    const T* x = args.x.row(row) + head * args.head_dim + p;
    const T* b = args.b.row(row) + group * args.d_state;
    const T* c = args.c.row(row) + group * args.d_state;
    const float4 in = make_float4(to_float(x[0]), to_float(x[1]), to_float(x[2]), to_float(x[3]));
    float4 sum{};
#pragma unroll
    for (int i = 0; i < step_rows; ++i) {
        const int n = slice + i * slices;
        if (n >= d_state) break;
        const float weight = delta * to_float(b[n]);
        const float read = to_float(c[n]);
        h[i] = make_float4(decay * h[i].x + weight * in.x, decay * h[i].y + weight * in.y,
                           decay * h[i].z + weight * in.z, decay * h[i].w + weight * in.w);
        *reinterpret_cast<float4*>(own + n * states.stride) = h[i];
        sum = make_float4(sum.x + h[i].x * read, sum.y + h[i].y * read, sum.z + h[i].z * read,
                          sum.w + h[i].w * read);
    }
    partial[threadIdx.x] = sum;
    __syncthreads();
    if (static_cast<int>(threadIdx.x) >= lanes * 4) return;
    // A thread a column: the slices' sums, in order.
    const int column = static_cast<int>(threadIdx.x);
    float y = args.d[head] * to_float(args.x.row(row)[head * args.head_dim + column]);
    for (int s = 0; s < slices; ++s) {
        y += reinterpret_cast<const float*>(partial)[s * lanes * 4 + column];
    }
    args.y.row(blockIdx.y)[head * args.head_dim + column] = from_float<T>(y);
}

// Whether `step_heads` takes these shapes and addresses.
template <typename T>
bool fits_step(const ScanArgs<T, float>& args, const StateTable& states) {
    const bool even = args.head_dim % 4 == 0 && args.head_dim <= head_threads &&
                      head_threads % (args.head_dim / 4) == 0;
    if (!even || args.d_state > head_threads / (args.head_dim / 4) * step_rows) return false;
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
    if (!fits_step(args, states)) return run_heads(args, states, args.tokens, 1, s, scan_heads<T>);
    launch(s, dim3(static_cast<unsigned>(args.n_heads), static_cast<unsigned>(args.tokens)),
           head_threads, 0, step_heads<T>, args, states);
}
template void head_scan_step(const ScanArgs<float, float>&, const StateTable&, cudaStream_t);
template void head_scan_step(const ScanArgs<bf16, float>&, const StateTable&, cudaStream_t);

}  // namespace sipo::cuda
