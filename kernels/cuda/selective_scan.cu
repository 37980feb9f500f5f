// Mamba-1's recurrence: h ← exp(Δ A) ⊙ h + Δ x ⊗ B, y = (h C + D x) ⊙ SiLU(z).
//
// Two versions here; the step of decoding is in selective_scan_step.cu. `scan_channels` is the equations
// as they stand, a thread a channel with its states in global memory: the reference, and the version
// for any d_state but 16, prompts and steps.
//
// `scan_tiles` (d_state 16) is for prompts; selective_scan_segments.cu says from which length another
// version is ahead. What bounds it is the exponential: d_state of them a
// token and channel, at 16 a clock and multiprocessor, so everything else has to fit beside them.
//   * The states of a channel are spread over `Lanes` threads. That gives warps to every scheduler at
//     one sequence without cutting time, which would compute every exponential twice; and a token's
//     result does not depend on where a prompt was cut. Eight threads of two states are measurably
//     better than sixteen of one: 7.4 against 9.8 ms at 5,120 channels and 131,072 tokens, 3.4
//     against 4.2 at 1,536 (H200).
//   * A block stages tiles of tokens through shared memory, copying the next while it scans. Δ and
//     Δ x are widened once for all states.
//   * The partial sums of y go through shared memory too, and the gate, the skip and the rounding are
//     then spread evenly over the block.
// B and C stay in their own type in shared memory: a word that a thread loads is a cycle of the
// multiprocessor for its warp. README.md says what bounds the kernel.
#include "async_copy.cuh"
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "scan_common.cuh"
#include "selective_scan_step.hpp"

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

// Shared memory of a block that scans threads / Lanes channels, a tile of tokens at a time.
template <typename T, int Lanes>
struct Tile {
    static constexpr int tokens = 128 / static_cast<int>(sizeof(T));
    static constexpr int channels = threads / Lanes;
    static constexpr int held = d_state / Lanes;  // states of a thread
    struct Staged {
        T x[tokens][channels];
        T delta[tokens][channels];
        T z[tokens][channels];
        T b[tokens][d_state];
        T c[tokens][d_state];
    };
    struct Decay {
        float delta;
        float input;  // Δ x
    };
    alignas(16) Staged staged[2];
    // The padding spreads the channels of a warp over the banks.
    alignas(16) Decay decay[channels][tokens + 2];
    alignas(16) float partial[tokens][threads];

    // Where four partial sums lie in their row. Turned by the warp that writes them and by the
    // token, so that eight threads that read neither write nor read a bank twice.
    static __device__ int place(int token, int four) {
        return (four ^ (four / 8 & 3) ^ (token & 1) * 4) * 4;
    }
};

// Where a thread's 16-byte pieces of a tile come from and go to: the same for every tile.
template <typename T, int Lanes>
class Stager {
    using Staged = typename Tile<T, Lanes>::Staged;
    static constexpr int tokens = Tile<T, Lanes>::tokens;
    static constexpr int pieces = static_cast<int>(sizeof(Staged)) / 16;
    static constexpr int own = (pieces + threads - 1) / threads;

public:
    __device__ Stager(const ScanArgs<T, T>& args, std::int64_t channel) {
        constexpr int columns = Tile<T, Lanes>::channels;
        constexpr int wide_piece = tokens * columns / wide<T>;    // pieces of x, Δ and z each
        constexpr int narrow_piece = tokens * d_state / wide<T>;  // of B and C each
#pragma unroll
        for (int i = 0; i < own; ++i) {
            int piece = static_cast<int>(threadIdx.x) + i * threads;
            if (piece < 3 * wide_piece) {
                const int array = piece / wide_piece;
                const auto& from = array == 0 ? args.x : array == 1 ? args.delta : args.z;
                take(i, from, channel, piece % wide_piece, columns / wide<T>);
            } else {
                piece -= 3 * wide_piece;
                const auto& from = piece < narrow_piece ? args.b : args.c;
                take(i, from, 0, piece % narrow_piece, d_state / wide<T>);
            }
        }
    }
    // Copies the tile that begins at token `first`; zeros past the last one.
    __device__ void copy(Staged& to, const ScanArgs<T, T>& args, std::int64_t first) const {
#pragma unroll
        for (int i = 0; i < own; ++i) {
            const int piece = static_cast<int>(threadIdx.x) + i * threads;
            if (pieces % threads != 0 && piece >= pieces) break;
            const std::int64_t t = first + token_[i];
            const bool present = t < args.tokens;
            const std::int64_t row = present ? visited_row(args, t) : 0;
            copy_async(reinterpret_cast<char*>(&to) + piece * 16, from_[i] + row * stride_[i],
                       present);
        }
        end_copy_group();
    }

private:
    __device__ void take(int i, const Rows<T>& from, std::int64_t col, int piece, int row_pieces) {
        token_[i] = piece / row_pieces;
        from_[i] = from.data + col + piece % row_pieces * wide<T>;
        stride_[i] = static_cast<int>(from.stride);
    }

    const T* from_[own];
    int stride_[own];
    int token_[own];
};

// The same for rows that do not lie on 16-byte borders, element by element.
template <typename T, int Columns, int Tokens>
__device__ void stage_elements(T (&to)[Tokens][Columns], const Rows<T>& from,
                               const ScanArgs<T, T>& args, std::int64_t first, std::int64_t col,
                               std::int64_t cols) {
#pragma unroll 1
    for (int i = threadIdx.x; i < Tokens * Columns; i += threads) {
        const std::int64_t t = first + i / Columns;
        const bool present = t < args.tokens && col + i % Columns < cols;
        to[i / Columns][i % Columns] =
            present ? from.row(visited_row(args, t))[col + i % Columns] : from_float<T>(0.0F);
    }
}

template <typename T, int Lanes, bool Aligned>
__device__ void stage_tile(const Stager<T, Lanes>& stager, typename Tile<T, Lanes>::Staged& to,
                           const ScanArgs<T, T>& args, std::int64_t first, std::int64_t channel) {
    if constexpr (Aligned) {
        stager.copy(to, args, first);
    } else {
        stage_elements(to.x, args.x, args, first, channel, args.d_inner);
        stage_elements(to.delta, args.delta, args, first, channel, args.d_inner);
        stage_elements(to.z, args.z, args, first, channel, args.d_inner);
        stage_elements(to.b, args.b, args, first, 0, d_state);
        stage_elements(to.c, args.c, args, first, 0, d_state);
    }
}

// A thread's part of the work on whole tiles: two neighbouring channels, every so many tokens.
template <typename T, int Lanes>
struct Share {
    static constexpr int pairs = Tile<T, Lanes>::channels / 2;
    static constexpr int step = threads / pairs;
    static constexpr int count = Tile<T, Lanes>::tokens / step;
    int channel = static_cast<int>(threadIdx.x) % pairs * 2;
    int token = static_cast<int>(threadIdx.x) / pairs;
};

template <typename T>
__device__ float2 load_pair(const T* from) {
    const auto pair = *reinterpret_cast<const Pack<T, 2>*>(from);
    return {to_float(pair.values[0]), to_float(pair.values[1])};
}

// Widens what every thread needs of a tile. Here and below loads come in batches before the stores:
// the compiler cannot know that they do not overlap, and would wait for each in turn.
template <typename T, int Lanes>
__device__ void widen_tile(Tile<T, Lanes>& shared, const typename Tile<T, Lanes>::Staged& staged,
                           const Filter (&filters)[2]) {
    const Share<T, Lanes> share;
    constexpr int count = Share<T, Lanes>::count;
    float2 delta[count], x[count];
#pragma unroll
    for (int i = 0; i < count; ++i) {
        const int t = share.token + i * share.step;
        delta[i] = load_pair(&staged.delta[t][share.channel]);
        x[i] = load_pair(&staged.x[t][share.channel]);
    }
#pragma unroll
    for (int i = 0; i < count; ++i) {
        const int t = share.token + i * share.step;
        const float first = filters[0](delta[i].x);
        const float second = filters[1](delta[i].y);
        shared.decay[share.channel][t] = {first, first * x[i].x};
        shared.decay[share.channel + 1][t] = {second, second * x[i].y};
    }
}

constexpr int batch = 8;  // tokens whose inputs are loaded together

// The inputs of `batch` tokens, in registers. A word of shared memory a thread is a cycle of the
// multiprocessor for a warp, whatever the width of the load, so B and C stay as they came.
template <typename T, int Held>
struct Inputs {
    Pack<float, 4> decay[batch / 2];  // Δ, Δ x of two tokens
    Pack<T, Held> b[batch];
    Pack<T, Held> c[batch];
    template <typename Shared>
    __device__ void load(const Shared& shared, const typename Shared::Staged& staged, int first,
                         int channel, int state) {
#pragma unroll
        for (int i = 0; i < batch / 2; ++i) {
            decay[i] =
                *reinterpret_cast<const Pack<float, 4>*>(&shared.decay[channel][first + 2 * i]);
        }
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            b[i] = *reinterpret_cast<const Pack<T, Held>*>(&staged.b[first + i][state]);
            c[i] = *reinterpret_cast<const Pack<T, Held>*>(&staged.c[first + i][state]);
        }
    }
};

// The recurrence over a tile. A token past the prompt's end has Δ = 0 and leaves the state.
template <typename T, int Lanes>
__device__ void scan_tile(Tile<T, Lanes>& shared, const typename Tile<T, Lanes>::Staged& staged,
                          const float* a, float* h) {
    constexpr int held = Tile<T, Lanes>::held;
    constexpr int tokens = Tile<T, Lanes>::tokens;
    const int state = threadIdx.x % Lanes * held;
    const int channel = threadIdx.x / Lanes;
    const int place = Tile<T, Lanes>::place(0, threadIdx.x / 4) + threadIdx.x % 4;
    Inputs<T, held> next;
    next.load(shared, staged, 0, channel, state);
    // Unrolled to the end, so that no register is copied from next to now.
#pragma unroll
    for (int first = 0; first < tokens; first += batch) {
        const Inputs<T, held> now = next;
        if (first + batch < tokens) next.load(shared, staged, first + batch, channel, state);
        float sums[batch];
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const float delta = now.decay[i / 2].values[i % 2 * 2];
            const float input = now.decay[i / 2].values[i % 2 * 2 + 1];
#pragma unroll
            for (int n = 0; n < held; ++n) {
                const float decay = decay_exp2<T>(delta * a[n]);
                h[n] = decay * h[n] + input * to_float(now.b[i].values[n]);
                const float term = h[n] * to_float(now.c[i].values[n]);
                sums[i] = n == 0 ? term : sums[i] + term;
            }
        }
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            shared.partial[first + i][i % 2 == 0 ? place : place ^ 16] = sums[i];
        }
    }
}

// y = (Σ partial sums + D x) ⊙ SiLU(z)
template <typename T, int Lanes, bool Aligned>
__device__ void write_tile(const Tile<T, Lanes>& shared,
                           const typename Tile<T, Lanes>::Staged& staged,
                           const ScanArgs<T, T>& args, float2 skip, std::int64_t first,
                           std::int64_t first_channel) {
    const Share<T, Lanes> share;
    constexpr int count = Share<T, Lanes>::count;
    constexpr int fours = Lanes / 4;
    float2 y[count];
#pragma unroll
    for (int i = 0; i < count; ++i) {
        const int t = share.token + i * share.step;
        const float2 x = load_pair(&staged.x[t][share.channel]);
        const float2 z = load_pair(&staged.z[t][share.channel]);
        float sums[2] = {skip.x * x.x, skip.y * x.y};
#pragma unroll
        for (int f = 0; f < 2 * fours; ++f) {
            const auto part = *reinterpret_cast<const Pack<float, 4>*>(
                &shared.partial[t][Tile<T, Lanes>::place(t, share.channel * fours + f)]);
            sums[f / fours] +=
                (part.values[0] + part.values[1]) + (part.values[2] + part.values[3]);
        }
        y[i] = {sums[0] * silu<T>(z.x), sums[1] * silu<T>(z.y)};
    }
    const std::int64_t channel = first_channel + share.channel;
#pragma unroll
    for (int i = 0; i < count; ++i) {
        const std::int64_t t = first + share.token + i * share.step;
        if (t >= args.tokens) return;
        T* to = args.y.row(t) + channel;
        if constexpr (Aligned) {
            *reinterpret_cast<Pack<T, 2>*>(to) = {from_float<T>(y[i].x), from_float<T>(y[i].y)};
        } else {
            if (channel < args.d_inner) to[0] = from_float<T>(y[i].x);
            if (channel + 1 < args.d_inner) to[1] = from_float<T>(y[i].y);
        }
    }
}

template <typename T, int Lanes, bool Aligned>
__global__ __launch_bounds__(threads) void scan_tiles(ScanArgs<T, T> args, Rows<float> state) {
    using Shared = Tile<T, Lanes>;
    constexpr int held = Shared::held;
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared*>(memory);
    const std::int64_t first_channel = std::int64_t{blockIdx.x} * Shared::channels;
    const std::int64_t scanned = first_channel + threadIdx.x / Lanes;
    const std::int64_t widened = first_channel + Share<T, Lanes>().channel;
    const bool whole = scanned < args.d_inner;
    const int first_state = threadIdx.x % Lanes * held;
    const float2 skip{widened < args.d_inner ? args.d[widened] : 0.0F,
                      widened + 1 < args.d_inner ? args.d[widened + 1] : 0.0F};
    float a[held];
    float h[held];
#pragma unroll
    for (int n = 0; n < held; ++n) {
        a[n] = whole ? args.a[(first_state + n) * args.a_stride + scanned] * log2_e : 0.0F;
    }
    const Stager<T, Lanes> stager(args, first_channel);
    wait_for_predecessor();
    let_successor_start();
    Filter filters[2];
    for (int i = 0; i < 2; ++i) {
        if (widened + i < args.d_inner) filters[i] = filter_of(args, widened + i);
    }
#pragma unroll
    for (int n = 0; n < held; ++n) h[n] = whole ? state.row(first_state + n)[scanned] : 0.0F;
    stage_tile<T, Lanes, Aligned>(stager, shared.staged[0], args, 0, first_channel);
    int buffer = 0;
    for (std::int64_t first = 0; first < args.tokens; first += Shared::tokens, buffer ^= 1) {
        wait_copy_groups<0>();
        __syncthreads();
        stage_tile<T, Lanes, Aligned>(stager, shared.staged[buffer ^ 1], args,
                                      first + Shared::tokens, first_channel);
        widen_tile<T, Lanes>(shared, shared.staged[buffer], filters);
        __syncthreads();
        scan_tile<T, Lanes>(shared, shared.staged[buffer], a, h);
        __syncthreads();
        write_tile<T, Lanes, Aligned>(shared, shared.staged[buffer], args, skip, first,
                                      first_channel);
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
                         is_wide(args.y, channels) && is_wide(args.b, d_state) &&
                         is_wide(args.c, d_state);
    const std::size_t bytes = sizeof(Tile<T, Lanes>);
    const auto kernel = aligned ? scan_tiles<T, Lanes, true> : scan_tiles<T, Lanes, false>;
    allow_shared(kernel, bytes);
    launch(s, blocks_for(args.d_inner, channels), threads, bytes, kernel, args, state);
}

}  // namespace

template <typename T>
void selective_scan(const ScanArgs<T, T>& args, Rows<float> state, cudaStream_t s) {
    if (args.d_state == d_state) return run_tiles<T, 8>(args, state, s);
    StateTable one;
    one.data[0] = state.data;
    one.stride = state.stride;
    launch(s, dim3(blocks_for(args.d_inner, threads), 1), threads, 0, scan_channels<T>, args, one,
           args.tokens);
}
template void selective_scan(const ScanArgs<float, float>&, Rows<float>, cudaStream_t);
template void selective_scan(const ScanArgs<bf16, bf16>&, Rows<float>, cudaStream_t);

template <typename T>
void selective_scan_step(const ScanArgs<T, T>& args, const StateTable& states, cudaStream_t s) {
    if (scan_step(args, states, s)) return;
    launch(s, dim3(blocks_for(args.d_inner, threads), static_cast<unsigned>(args.tokens)), threads,
           0, scan_channels<T>, args, states, std::int64_t{1});
}
template void selective_scan_step(const ScanArgs<float, float>&, const StateTable&, cudaStream_t);
template void selective_scan_step(const ScanArgs<bf16, bf16>&, const StateTable&, cudaStream_t);

}  // namespace sipo::cuda
