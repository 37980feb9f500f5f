// The small halves of a Mamba-1 layer for the next tokens of several sequences, bf16. The states are
// as many bytes as the weights, so these kernels are about reading and writing them: all that a thread needs
// of a state is asked for at once, four channels wide, and before the predecessor has ended. That
// is safe: a kernel starts when its predecessor has stopped waiting, so the step before this one,
// which wrote the states, is complete.
#include "launch.hpp"
#include "mamba1_rows.hpp"
#include "tensor_core.cuh"

namespace sipo::cuda {
namespace {

using Four = Pack<float, 4>;

__device__ Four load_four(const float* from) { return *reinterpret_cast<const Four*>(from); }
__device__ Four load_four(const bf16* from) {
    const auto raw = *reinterpret_cast<const Pack<bf16, 4>*>(from);
    return {to_float(raw.values[0]), to_float(raw.values[1]), to_float(raw.values[2]),
            to_float(raw.values[3])};
}
__device__ void store_four(float* to, const Four& values) { *reinterpret_cast<Four*>(to) = values; }
__device__ void store_four(bf16* to, const Four& values) {
    *reinterpret_cast<Pack<bf16, 4>*>(to) = {
        from_float<bf16>(values.values[0]), from_float<bf16>(values.values[1]),
        from_float<bf16>(values.values[2]), from_float<bf16>(values.values[3])};
}

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

constexpr int d_state = 16;
constexpr int rank_step = 16;  // of a tensor-core product
constexpr int tile_rows = 8;

// A block has Channels channels of Sequences rows; a thread four channels of one.
template <int Channels, int Sequences>
struct ScanBlock {
    static constexpr int channels = Channels;
    static constexpr int sequences = Sequences;
    static constexpr int threads = channels / 4 * sequences;
    static constexpr int warps = threads / warp_size;
    static constexpr int padded = (sequences + tile_rows - 1) / tile_rows * tile_rows;
    static constexpr int tiles = channels / 16 * (padded / tile_rows);  // of Δ, 16 x 8
};

// What a block's threads have in common; behind it lie dt_proj's rows for its channels and dt for
// its rows.
template <typename B>
struct ScanShared {
    float a[d_state][B::channels];
    bf16 b[B::sequences][d_state];
    bf16 c[B::sequences][d_state];
    float bias[B::channels];
    float delta[B::padded][B::channels + 4];
};
// A row of dt_proj or dt, padded to an odd number of 16-byte pieces, so that eight touch all banks.
__host__ __device__ inline int rank_stride(int dt_rank) {
    return (dt_rank + rank_step - 1) / rank_step * rank_step + 8;
}

template <int Rows, int Threads>
__device__ void copy_rank_rows(bf16* to, const bf16* from, std::int64_t stride, std::int64_t rows,
                               int dt_rank) {
    const int to_stride = rank_stride(dt_rank);
    const int pieces = to_stride / 8 - 1;
    for (int i = threadIdx.x; i < Rows * pieces; i += Threads) {
        const int row = i / pieces;
        const int col = i % pieces * 8;
        const bool present = row < rows && col < dt_rank;
        copy_async(to + row * to_stride + col, present ? from + row * stride + col : from, present);
    }
}

// A and the bias of the block's channels.
template <typename B>
__device__ void copy_tables(ScanShared<B>& shared, const ScanRowsArgs& args,
                            std::int64_t first_channel) {
    constexpr int fours = B::channels / 4;
    for (int i = threadIdx.x; i < (d_state + 1) * fours; i += B::threads) {
        const int n = i / fours;
        const std::int64_t channel = first_channel + i % fours * 4;
        const bool present = channel < args.d_inner;
        const float* from = n < d_state ? args.a + n * args.a_stride : args.dt_bias;
        float* to = n < d_state ? shared.a[n] : shared.bias;
        copy_async(to + i % fours * 4, present ? from + channel : args.a, present);
    }
}

// B and C lie side by side in dt_b_c.
template <typename B>
__device__ void copy_b_c(ScanShared<B>& shared, const ScanRowsArgs& args, std::int64_t first_row,
                         std::int64_t rows) {
    constexpr int pieces = d_state / 8;
    const int i = static_cast<int>(threadIdx.x);
    if (i >= B::sequences * pieces * 2) return;
    const int row = i / (2 * pieces);
    const int col = i % (2 * pieces) * 8;
    const bool present = first_row + row < rows;
    bf16* to = col < d_state ? &shared.b[row][col] : &shared.c[row][col - d_state];
    copy_async(to, args.dt_b_c.row(present ? first_row + row : 0) + args.dt_rank + col, present);
}

// Δ of the block's channels and rows.
template <typename B>
__device__ void multiply_delta(ScanShared<B>& shared, const bf16* weights, const bf16* dt,
                               const ScanRowsArgs& args) {
    const int stride = rank_stride(args.dt_rank);
#pragma unroll 1
    for (int tile = threadIdx.x / warp_size; tile < B::tiles; tile += B::warps) {
        const int channel = tile % (B::channels / 16) * 16;
        const int row = tile / (B::channels / 16) * tile_rows;
        const bf16* column = dt + (row + operand_row()) * stride + operand_column();
        float sums[4] = {};
#pragma unroll 2
        for (int k = 0; k < args.dt_rank; k += rank_step) {
            const OperandA a = load_a(weights + channel * stride + k, stride);
            const OperandPart b{{*reinterpret_cast<const std::uint32_t*>(column + k),
                                 *reinterpret_cast<const std::uint32_t*>(column + k + 8)}};
            multiply_add(sums, a, b);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int c = channel + operand_row() + e / 2 * 8;
            const float v = softplus<bf16>(sums[e] + shared.bias[c]);
            shared.delta[row + operand_column() + e % 2][c] =
                to_float(from_float<bf16>(clamp_keeping_nan(v, args.low, args.high)));
        }
    }
}

// The recurrence of a row's four channels; y without skip and gate.
template <typename B>
__device__ Four recur(Four (&h)[d_state], const ScanShared<B>& shared, int row, int column,
                      const Four& x) {
    const Four delta = load_four(&shared.delta[row][column]);
    Four scaled{}, input{}, y{};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        scaled.values[i] = delta.values[i] * log2_e;
        input.values[i] = delta.values[i] * x.values[i];
    }
#pragma unroll
    for (int first = 0; first < d_state; first += 8) {
        const auto b = *reinterpret_cast<const Pack<bf16, 8>*>(&shared.b[row][first]);
        const auto c = *reinterpret_cast<const Pack<bf16, 8>*>(&shared.c[row][first]);
#pragma unroll
        for (int n = 0; n < 8; ++n) {
            const Four a = load_four(&shared.a[first + n][column]);
            const float in = to_float(b.values[n]);
            const float out = to_float(c.values[n]);
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                float& state = h[first + n].values[i];
                state =
                    decay_exp2<bf16>(scaled.values[i] * a.values[i]) * state + input.values[i] * in;
                y.values[i] += state * out;
            }
        }
    }
    return y;
}

template <typename B>
__global__ __launch_bounds__(B::threads, 640 / B::threads) void scan_step_rows(ScanRowsArgs args,
                                                                               StateTable states,
                                                                               std::int64_t rows) {
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<ScanShared<B>*>(memory);
    auto* weights = reinterpret_cast<bf16*>(memory + sizeof(ScanShared<B>));
    bf16* dt = weights + B::channels * rank_stride(args.dt_rank);
    const std::int64_t first_channel = std::int64_t{blockIdx.x} * B::channels;
    const std::int64_t first_row = std::int64_t{blockIdx.y} * B::sequences;
    const int column = static_cast<int>(threadIdx.x) % (B::channels / 4) * 4;
    const int own_row = static_cast<int>(threadIdx.x) / (B::channels / 4);
    const std::int64_t channel = first_channel + column;
    const std::int64_t row = first_row + own_row;
    const bool present = row < rows && channel < args.d_inner;
    float* state = states.data[present ? row : 0] + channel;
    Four h[d_state] = {};
    if (present) {
#pragma unroll
        for (int n = 0; n < d_state; ++n) h[n] = load_four(state + n * states.stride);
    }
    copy_rank_rows<B::channels, B::threads>(
        weights, args.dt_weight + first_channel * args.dt_stride, args.dt_stride,
        args.d_inner - first_channel, args.dt_rank);
    copy_tables(shared, args, first_channel);
    wait_for_predecessor();
    let_successor_start();
    copy_rank_rows<B::padded, B::threads>(dt, args.dt_b_c.row(first_row), args.dt_b_c.stride,
                                          min(rows - first_row, std::int64_t{B::sequences}),
                                          args.dt_rank);
    copy_b_c(shared, args, first_row, rows);
    end_copy_group();
    Four x{}, z{}, skip{};
    if (present) {
        x = load_four(args.x.row(row) + channel);
        z = load_four(args.z.row(row) + channel);
        skip = load_four(args.d + channel);
    }
    wait_copy_groups<0>();
    __syncthreads();
    multiply_delta(shared, weights, dt, args);
    __syncthreads();
    Four y = recur(h, shared, own_row, column, x);
    if (!present) return;
#pragma unroll
    for (int n = 0; n < d_state; ++n) store_four(state + n * states.stride, h[n]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        y.values[i] = (y.values[i] + skip.values[i] * x.values[i]) * silu<bf16>(z.values[i]);
    }
    store_four(args.y.row(row) + channel, y);
}

template <typename B>
void run_scan(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
              cudaStream_t s) {
    const std::size_t bytes =
        sizeof(ScanShared<B>) + sizeof(bf16) * static_cast<std::size_t>(rank_stride(args.dt_rank)) *
                                    (B::channels + B::padded);
    const auto kernel = scan_step_rows<B>;
    allow_shared(kernel, bytes);
    launch(s, dim3(blocks_for(args.d_inner, B::channels), blocks_for(rows, B::sequences)),
           B::threads, bytes, kernel, args, states, rows);
}

constexpr std::int64_t max_rank = 256;  // its rows in 48 KiB of shared memory

}  // namespace

bool fits_mamba1_rows(std::int64_t d_inner, std::int64_t states, std::int64_t conv_taps,
                      std::int64_t dt_rank) {
    return d_inner % 8 == 0 && states == d_state && conv_taps == taps && dt_rank % 8 == 0 &&
           dt_rank <= max_rank;
}

void conv_rows(const ConvRowsArgs& args, const StateTable& histories, std::int64_t rows,
               cudaStream_t s) {
    launch(s, dim3(blocks_for(args.d_inner, conv_threads * 4), static_cast<unsigned>(rows)),
           conv_threads, 0, convolve_rows, args, histories);
}

void scan_rows(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
               cudaStream_t s) {
    run_scan<ScanBlock<64, 8>>(args, states, rows, s);
}

}  // namespace sipo::cuda
