// Mamba-1's recurrence: h ← exp(Δ A) ⊙ h + Δ x ⊗ B, y = (h C + D x) ⊙ SiLU(z).
//
// Two versions. `scan_channels` is the equations as they stand, a thread a channel with its states in
// global memory: the reference, the version for any d_state, and the step of decoding, where the
// state is read and written once and that is all there is to do.
//
// `scan_tiles` (d_state 16) is for prompts. What bounds it is the exponential: d_state of them a
// token and channel, at 16 a clock and multiprocessor, so everything else has to fit beside them.
//   * The states of a channel are spread over `Lanes` threads. That alone gives enough warps to fill
//     the chip at one sequence, without cutting time, which would compute every exponential twice;
//     and a token's result does not depend on where a prompt was cut.
//   * A block stages tiles of tokens through shared memory, copying the next while it scans: B and C
//     are widened once for all channels, Δ and Δ x once for all states. The inner loop is left with
//     one and a half shared loads, an exponential and four operations a state.
//   * The partial sums of y go through shared memory too: cheaper than shuffles, and the gate, the
//     skip and the rounding are then spread evenly over the block.
// README.md has the count of operations and the measured share.
#include <cstdlib>
#include "async_copy.cuh"
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "scan_common.cuh"

namespace sipo::cuda {
namespace {

constexpr int threads = 128;

// One token of one channel; the state lies in global memory, a row a state. Sixteen states at a time
// are loaded before the first is stored.
template <typename T>
__device__ float scan_token(const ScanArgs<T, T>& args, std::int64_t row, std::int64_t channel,
                            float delta, const Rows<float>& state) {
    constexpr int batch = 16;
    const float x = to_float(args.x.row(row)[channel]);
    const T* b = args.b.row(row);
    const T* c = args.c.row(row);
    float y = args.d[channel] * x;
    for (std::int64_t first = 0; first < args.d_state; first += batch) {
        float h[batch], a[batch], in[batch], out[batch];
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const bool present = first + i < args.d_state;
            h[i] = present ? state.row(first + i)[channel] : 0.0F;
            a[i] = present ? args.a[(first + i) * args.a_stride + channel] * log2_e : 0.0F;
            in[i] = present ? to_float(b[first + i]) : 0.0F;
            out[i] = present ? to_float(c[first + i]) : 0.0F;
        }
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            h[i] = decay_exp2<T>(delta * a[i]) * h[i] + delta * x * in[i];
            y += h[i] * out[i];
            if (first + i < args.d_state) state.row(first + i)[channel] = h[i];
        }
    }
    return y;
}

template <typename T>
__global__ void scan_channels(ScanArgs<T, T> args, StateTable states, std::int64_t tokens) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t channel = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (channel >= args.d_inner) return;
    const Rows<float> state{states.data[blockIdx.y], states.stride};
    const Filter filter = filter_of(args, channel);
    for (std::int64_t t = blockIdx.y; t < blockIdx.y + tokens; ++t) {
        const std::int64_t row = visited_row(args, t);
        const float delta = filter(to_float(args.delta.row(row)[channel]));
        const float y = scan_token(args, row, channel, delta, state);
        const float gate = silu<T>(to_float(args.z.row(row)[channel]));
        args.y.row(t)[channel] = from_float<T>(y * gate);
    }
}

constexpr int d_state = 16;
constexpr int tile = 32;  // tokens
// From so many channels on eight threads a channel fill the chip better than sixteen.
constexpr std::int64_t many_channels = 3072;

// Shared memory of a block that scans threads / Lanes channels.
template <typename T, int Lanes>
struct Tile {
    static constexpr int channels = threads / Lanes;
    static constexpr int held = d_state / Lanes;  // states of a thread
    struct Staged {
        T x[tile][channels];
        T delta[tile][channels];
        T z[tile][channels];
        T b[tile][d_state];
        T c[tile][d_state];
    };
    struct Decay {
        float delta;
        float input;  // Δ x
    };
    alignas(16) Staged staged[2];
    alignas(16) float b_c[tile][Lanes][2 * held];
    // The padding spreads the channels of a warp over the banks.
    alignas(16) Decay decay[channels][tile + 2];
    alignas(16) float partial[tile][threads];

    // Where in a row of `partial` group `g` of four lanes of a channel lies. A warp writes its 32
    // sums in any order without a conflict; turning the groups by the channel lets eight threads
    // read one group of eight channels without one.
    static __device__ int place(int channel, int g) {
        return channel * Lanes + ((g ^ (channel * Lanes / warp_size)) & (Lanes / 4 - 1)) * 4;
    }
};

// Rows [first, first + tile) of columns [col, col + width) of `from`; zeros past the ends.
template <typename T, int Columns, typename Args>
__device__ void stage(T (&to)[tile][Columns], const Rows<T>& from, const Args& args,
                      std::int64_t first, std::int64_t col, std::int64_t cols, bool aligned) {
    constexpr int chunks = Columns / wide<T>;  // 16-byte pieces of a row
    if (aligned) {
        for (int i = threadIdx.x; i < tile * chunks; i += threads) {
            const std::int64_t t = first + i / chunks;
            const bool present = t < args.tokens;
            const int offset = i % chunks * wide<T>;
            const std::int64_t row = present ? visited_row(args, t) : 0;
            copy_async(&to[i / chunks][offset], from.row(row) + col + offset, present);
        }
        return;
    }
    for (int i = threadIdx.x; i < tile * Columns; i += threads) {
        const std::int64_t t = first + i / Columns;
        const bool present = t < args.tokens && col + i % Columns < cols;
        to[i / Columns][i % Columns] = present
                                           ? from.row(visited_row(args, t))[col + i % Columns]
                                           : from_float<T>(0.0F);
    }
}

template <typename T, int Lanes>
__device__ void stage_tile(typename Tile<T, Lanes>::Staged& to, const ScanArgs<T, T>& args,
                           std::int64_t first, std::int64_t channel, bool aligned) {
    stage(to.x, args.x, args, first, channel, args.d_inner, aligned);
    stage(to.delta, args.delta, args, first, channel, args.d_inner, aligned);
    stage(to.z, args.z, args, first, channel, args.d_inner, aligned);
    stage(to.b, args.b, args, first, 0, d_state, aligned);
    stage(to.c, args.c, args, first, 0, d_state, aligned);
    end_copy_group();
}

// Widens what every thread needs of a tile. A thread keeps its channel, so it keeps its filter. Here
// and below loads come in batches before the stores: the compiler cannot know that they do not
// overlap, and would wait for each in turn.
template <typename T, int Lanes>
__device__ void widen_tile(Tile<T, Lanes>& shared, const typename Tile<T, Lanes>::Staged& staged,
                           const Filter& filter) {
    constexpr int channels = Tile<T, Lanes>::channels;
    constexpr int held = Tile<T, Lanes>::held;
    constexpr int tokens = tile / Lanes;                   // of a thread, Δ and x
    constexpr int rows = tile / (threads / d_state);       // of a thread, B and C
    const int channel = threadIdx.x % channels;
    const int first = threadIdx.x / channels;
    const int n = threadIdx.x % d_state;
    const int first_row = threadIdx.x / d_state;
    float delta[tokens], x[tokens], b[rows], c[rows];
#pragma unroll
    for (int i = 0; i < tokens; ++i) {
        delta[i] = to_float(staged.delta[first + i * Lanes][channel]);
        x[i] = to_float(staged.x[first + i * Lanes][channel]);
    }
#pragma unroll
    for (int i = 0; i < rows; ++i) {
        b[i] = to_float(staged.b[first_row + i * (threads / d_state)][n]);
        c[i] = to_float(staged.c[first_row + i * (threads / d_state)][n]);
    }
#pragma unroll
    for (int i = 0; i < tokens; ++i) {
        const float kept = filter(delta[i]);
        shared.decay[channel][first + i * Lanes] = {kept, kept * x[i]};
    }
#pragma unroll
    for (int i = 0; i < rows; ++i) {
        auto& row = shared.b_c[first_row + i * (threads / d_state)][n / held];
        row[n % held] = b[i];
        row[held + n % held] = c[i];
    }
}

constexpr int batch = 8;  // tokens whose inputs are loaded together

// The inputs of `batch` tokens, in registers.
template <int Held>
struct Inputs {
    Pack<float, 4> decay[batch / 2];  // Δ, Δ x of two tokens
    Pack<float, 2 * Held> b_c[batch];
    template <typename Shared>
    __device__ void load(const Shared& shared, int first, int channel, int lane) {
#pragma unroll
        for (int i = 0; i < batch / 2; ++i) {
            decay[i] = *reinterpret_cast<const Pack<float, 4>*>(
                &shared.decay[channel][first + 2 * i]);
        }
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            b_c[i] =
                *reinterpret_cast<const Pack<float, 2 * Held>*>(shared.b_c[first + i][lane]);
        }
    }
};

// The recurrence over a tile. A token past the prompt's end has Δ = 0 and leaves the state.
template <typename T, int Lanes>
__device__ void scan_tile(Tile<T, Lanes>& shared, const float* a, float* h) {
    constexpr int held = Tile<T, Lanes>::held;
    const int lane = threadIdx.x % Lanes;
    const int channel = threadIdx.x / Lanes;
    const int place = Tile<T, Lanes>::place(channel, lane / 4) + lane % 4;
    Inputs<held> next;
    next.load(shared, 0, channel, lane);
#pragma unroll
    for (int first = 0; first < tile; first += batch) {
        const Inputs<held> now = next;
        if (first + batch < tile) next.load(shared, first + batch, channel, lane);
        float sums[batch];
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const float delta = now.decay[i / 2].values[i % 2 * 2];
            const float input = now.decay[i / 2].values[i % 2 * 2 + 1];
            sums[i] = 0.0F;
#pragma unroll
            for (int n = 0; n < held; ++n) {
                h[n] = decay_exp2<T>(delta * a[n]) * h[n] + input * now.b_c[i].values[n];
                sums[i] += h[n] * now.b_c[i].values[held + n];
            }
        }
#pragma unroll
        for (int i = 0; i < batch; ++i) shared.partial[first + i][place] = sums[i];
    }
}

// y = (Σ partial sums + D x) ⊙ SiLU(z)
template <typename T, int Lanes>
__device__ void write_tile(const Tile<T, Lanes>& shared,
                           const typename Tile<T, Lanes>::Staged& staged,
                           const ScanArgs<T, T>& args, float skip, std::int64_t first,
                           std::int64_t first_channel) {
    constexpr int channels = Tile<T, Lanes>::channels;
    constexpr int tokens = tile / Lanes;
    const int channel = threadIdx.x % channels;
    float y[tokens], gate[tokens];
#pragma unroll
    for (int i = 0; i < tokens; ++i) {
        const int t = threadIdx.x / channels + i * Lanes;
        y[i] = skip * to_float(staged.x[t][channel]);
        gate[i] = to_float(staged.z[t][channel]);
#pragma unroll
        for (int g = 0; g < Lanes / 4; ++g) {
            const auto part = *reinterpret_cast<const Pack<float, 4>*>(
                &shared.partial[t][Tile<T, Lanes>::place(channel, g)]);
            y[i] += (part.values[0] + part.values[1]) + (part.values[2] + part.values[3]);
        }
    }
    if (first_channel + channel >= args.d_inner) return;
#pragma unroll
    for (int i = 0; i < tokens; ++i) {
        const std::int64_t t = first + threadIdx.x / channels + i * Lanes;
        if (t >= args.tokens) return;
        args.y.row(t)[first_channel + channel] = from_float<T>(y[i] * silu<T>(gate[i]));
    }
}

template <typename T, int Lanes>
__global__ __launch_bounds__(threads) void scan_tiles(ScanArgs<T, T> args, Rows<float> state,
                                                      bool aligned) {
    using Shared = Tile<T, Lanes>;
    constexpr int held = Shared::held;
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared*>(memory);
    const std::int64_t first_channel = std::int64_t{blockIdx.x} * Shared::channels;
    const std::int64_t scanned = first_channel + threadIdx.x / Lanes;
    const std::int64_t widened = first_channel + threadIdx.x % Shared::channels;
    const bool whole = scanned < args.d_inner;
    const int first_state = threadIdx.x % Lanes * held;
    const float skip = widened < args.d_inner ? args.d[widened] : 0.0F;
    float a[held];
    float h[held];
#pragma unroll
    for (int n = 0; n < held; ++n) {
        a[n] = whole ? args.a[(first_state + n) * args.a_stride + scanned] * log2_e : 0.0F;
    }
    wait_for_predecessor();
    let_successor_start();
    const Filter filter = widened < args.d_inner ? filter_of(args, widened) : Filter{};
#pragma unroll
    for (int n = 0; n < held; ++n) h[n] = whole ? state.row(first_state + n)[scanned] : 0.0F;
    stage_tile<T, Lanes>(shared.staged[0], args, 0, first_channel, aligned);
    int buffer = 0;
    for (std::int64_t first = 0; first < args.tokens; first += tile, buffer ^= 1) {
        wait_copy_groups<0>();
        __syncthreads();
        stage_tile<T, Lanes>(shared.staged[buffer ^ 1], args, first + tile, first_channel, aligned);
        widen_tile<T, Lanes>(shared, shared.staged[buffer], filter);
        __syncthreads();
        scan_tile<T, Lanes>(shared, a, h);
        __syncthreads();
        write_tile<T, Lanes>(shared, shared.staged[buffer], args, skip, first, first_channel);
    }
#pragma unroll
    for (int n = 0; n < held; ++n) {
        if (whole) state.row(first_state + n)[scanned] = h[n];
    }
}

template <typename T, int Lanes>
void run_tiles(const ScanArgs<T, T>& args, Rows<float> state, cudaStream_t s) {
    constexpr int channels = Tile<T, Lanes>::channels;
    const bool aligned = args.d_inner % channels == 0 && is_wide(args.x, channels) &&
                         is_wide(args.delta, channels) && is_wide(args.z, channels) &&
                         is_wide(args.b, d_state) && is_wide(args.c, d_state);
    const std::size_t bytes = sizeof(Tile<T, Lanes>);
    allow_shared(scan_tiles<T, Lanes>, bytes);
    launch(s, blocks_for(args.d_inner, channels), threads, bytes, scan_tiles<T, Lanes>, args, state,
           aligned);
}

}  // namespace

template <typename T>
void selective_scan(const ScanArgs<T, T>& args, Rows<float> state, cudaStream_t s) {
    if (args.d_state != d_state) {
        StateTable one;
        one.data[0] = state.data;
        one.stride = state.stride;
        launch(s, dim3(blocks_for(args.d_inner, threads), 1), threads, 0, scan_channels<T>, args,
               one, args.tokens);
    } else if (getenv("SCAN_LANES") ? atoi(getenv("SCAN_LANES")) == 16 : args.d_inner < many_channels) {
        run_tiles<T, 16>(args, state, s);
    } else {
        run_tiles<T, 8>(args, state, s);
    }
}
template void selective_scan(const ScanArgs<float, float>&, Rows<float>, cudaStream_t);
template void selective_scan(const ScanArgs<bf16, bf16>&, Rows<float>, cudaStream_t);

template <typename T>
void selective_scan_step(const ScanArgs<T, T>& args, const StateTable& states, cudaStream_t s) {
    launch(s, dim3(blocks_for(args.d_inner, threads), static_cast<unsigned>(args.tokens)), threads,
           0, scan_channels<T>, args, states, std::int64_t{1});
}
template void selective_scan_step(const ScanArgs<float, float>&, const StateTable&, cudaStream_t);
template void selective_scan_step(const ScanArgs<bf16, bf16>&, const StateTable&, cudaStream_t);

}  // namespace sipo::cuda
