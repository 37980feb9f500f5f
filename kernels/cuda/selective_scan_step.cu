// Mamba-1's recurrence for one token of each of many sequences, d_state 16.
//
// The states are nearly all of the bytes, read once and written once, so the kernel is as fast as they
// come. A thread holds all states of four neighbouring channels and asks for them at once, 256 bytes;
// a step of 64 sequences of 5,120 channels is one wave of such threads, 20 warps a multiprocessor,
// with 160 KB under way in each. Nothing else may compete with that: A, which every sequence wants, is
// fetched once for the sequences of a block, into shared memory and before the predecessor has
// ended, and B and C are an element a lane.
//
// The states themselves wait for the predecessor, which may be what writes them: a copy, or the step
// before this one.
//
// Few sequences have too few threads of four channels to reach every scheduler, and rows that do not
// lie on 16-byte borders cannot be read that way: they take a thread a channel.
#include "async_copy.cuh"
#include "four.cuh"
#include "launch.hpp"
#include "scan_common.cuh"
#include "selective_scan_step.hpp"
#include "state_step.cuh"

namespace sipo::cuda {
namespace {

constexpr int d_state = 16;
constexpr int sequences = 4;  // of a block, a warp each
constexpr int threads = sequences * warp_size;
// Blocks of a multiprocessor: 96 registers a thread. In f32 z takes four too many and waits in local
// memory, 16 bytes beside the states' 512; a second wave would cost more.
constexpr int resident = 5;

// What the threads of a block share. Width: channels of a thread.
template <int Width>
struct Tables {
    static constexpr int channels = warp_size * Width;
    alignas(16) float a[d_state][channels];
    alignas(16) float skip[channels];
    alignas(16) float b_c[sequences][d_state][2];
};

template <typename T, int Width>
__device__ Pack<T, Width> load(const T* from) {
    return *reinterpret_cast<const Pack<T, Width>*>(from);
}
__device__ void store_passing(float* to, const Pack<float, 1>& value) {
    __stcs(to, value.values[0]);
}

// A and D of the block's channels.
template <typename T, int Width>
__device__ void ask_tables(Tables<Width>& to, const ScanArgs<T, T>& args, int channel) {
    const int column = static_cast<int>(threadIdx.x) % warp_size * Width;
    if (channel < args.d_inner) {
#pragma unroll
        for (int i = 0; i < d_state / sequences; ++i) {
            const int n = static_cast<int>(threadIdx.x) / warp_size + i * sequences;
            copy_few_async<4 * Width>(&to.a[n][column], args.a + n * args.a_stride + channel);
        }
        if (threadIdx.x < warp_size) {
            copy_few_async<4 * Width>(&to.skip[column], args.d + channel);
        }
    }
    end_copy_group();
}

// Of B and C of a sequence, the lane's element.
template <typename T>
__device__ T b_or_c(const ScanArgs<T, T>& args, std::int64_t row) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    return lane < d_state ? args.b.row(row)[lane] : args.c.row(row)[lane - d_state];
}

// Δ as a context method leaves it, x and z.
template <typename T, int Width>
struct Inputs {
    Pack<float, Width> delta;
    Pack<T, Width> x, z;
    __device__ void ask(const ScanArgs<T, T>& args, std::int64_t row, int channel) {
        const auto plain = load<T, Width>(args.delta.row(row) + channel);
        x = load<T, Width>(args.x.row(row) + channel);
        z = load<T, Width>(args.z.row(row) + channel);
#pragma unroll
        for (int e = 0; e < Width; ++e) delta.values[e] = to_float(plain.values[e]);
        if (args.threshold == nullptr) return;
        const auto threshold = load<float, Width>(args.threshold + channel);
        const auto scale = load<float, Width>(args.scale + channel);
#pragma unroll
        for (int e = 0; e < Width; ++e) {
            delta.values[e] = Filter{threshold.values[e], scale.values[e]}(delta.values[e]);
        }
    }
};

// The recurrence of a thread's channels, whose states go back as they are ready; y with skip and
// gate.
template <typename T, int Width>
__device__ Pack<T, Width> move(const Tables<Width>& tables, const Inputs<T, Width>& in,
                               Pack<float, Width> (&h)[d_state], float* own, std::int64_t stride) {
    const int column = static_cast<int>(threadIdx.x) % warp_size * Width;
    const auto& b_c = tables.b_c[threadIdx.x / warp_size];
    const auto skip = load<float, Width>(&tables.skip[column]);
    Pack<float, Width> scaled, input, y;
#pragma unroll
    for (int e = 0; e < Width; ++e) {
        const float x = to_float(in.x.values[e]);
        scaled.values[e] = in.delta.values[e] * log2_e;
        input.values[e] = in.delta.values[e] * x;
        y.values[e] = skip.values[e] * x;
    }
#pragma unroll
    for (int n = 0; n < d_state; ++n) {
        const auto a = load<float, Width>(&tables.a[n][column]);
        const auto now = load<float, 2>(b_c[n]);
        advance<T, Width>(h[n], a, {scaled, input}, now.values[0], now.values[1], y);
        store_passing(own + n * stride, h[n]);
    }
    Pack<T, Width> gated;
#pragma unroll
    for (int e = 0; e < Width; ++e) {
        gated.values[e] = from_float<T>(y.values[e] * silu<T>(to_float(in.z.values[e])));
    }
    return gated;
}

template <typename T, int Width>
__global__ __launch_bounds__(threads, resident) void step_channels(ScanArgs<T, T> args,
                                                                   StateTable states) {
    __shared__ Tables<Width> tables;
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    const int channel = static_cast<int>(blockIdx.x) * Tables<Width>::channels + lane * Width;
    const int t = static_cast<int>(blockIdx.y) * sequences + warp;
    const bool present = t < args.tokens && channel < args.d_inner;
    ask_tables(tables, args, channel);
    wait_for_predecessor();
    let_successor_start();
    float* own = states.data[t] + channel;
    Pack<float, Width> h[d_state];
    Inputs<T, Width> in;
    if (present) {
#pragma unroll
        for (int n = 0; n < d_state; ++n) h[n] = load<float, Width>(own + n * states.stride);
    }
    if (t < args.tokens) {
        const std::int64_t row = visited_row(args, t);
        const T element = b_or_c(args, row);
        if (present) in.ask(args, row, channel);
        tables.b_c[warp][lane % d_state][lane / d_state] = to_float(element);
    }
    wait_copy_groups<0>();
    __syncthreads();
    if (!present) return;
    const auto y = move<T, Width>(tables, in, h, own, states.stride);
    *reinterpret_cast<Pack<T, Width>*>(args.y.row(t) + channel) = y;
}

// Whether four channels can be read and written at once.
template <typename T>
bool fits_four(const ScanArgs<T, T>& args, const StateTable& states) {
    const std::int64_t cols = args.d_inner;
    const auto fits = [&](const float* table, std::int64_t stride) {
        return is_wide(Rows<const float>{table, stride}, cols);
    };
    for (std::int64_t i = 0; i < args.tokens; ++i) {
        if (!fits(states.data[i], states.stride)) return false;
    }
    return fits(args.a, args.a_stride) && fits(args.d, cols) && fits(args.threshold, cols) &&
           fits(args.scale, cols) && is_wide(args.x, cols) && is_wide(args.delta, cols) &&
           is_wide(args.z, cols) && is_wide(args.y, cols);
}

template <typename T, int Width>
void run(const ScanArgs<T, T>& args, const StateTable& states, cudaStream_t s) {
    launch(
        s,
        dim3(blocks_for(args.d_inner, Tables<Width>::channels), blocks_for(args.tokens, sequences)),
        threads, 0, step_channels<T, Width>, args, states);
}

}  // namespace

template <typename T>
bool scan_step(const ScanArgs<T, T>& args, const StateTable& states, cudaStream_t s) {
    // Warps of four channels a thread, below which a card's schedulers would not all have one.
    constexpr std::int64_t enough = 512;
    if (args.d_state != d_state) return false;
    const std::int64_t warps = args.d_inner / Tables<4>::channels * args.tokens;
    if (warps >= enough && fits_four(args, states)) {
        run<T, 4>(args, states, s);
    } else {
        run<T, 1>(args, states, s);
    }
    return true;
}
template bool scan_step(const ScanArgs<float, float>&, const StateTable&, cudaStream_t);
template bool scan_step(const ScanArgs<bf16, bf16>&, const StateTable&, cudaStream_t);

}  // namespace sipo::cuda
