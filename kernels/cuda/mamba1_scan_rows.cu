// Δ, the recurrence and the gate of a Mamba-1 step of several sequences, bf16.
//
// The states are nearly all of the bytes, read once and written once, so the kernel is as fast as
// they come. A thread holds all states of four neighbouring channels of a sequence, and the first
// thing it does is to ask for them at once, 256 bytes; a step of 64 sequences of 5,120 channels is one
// wave of such threads, 20 warps a multiprocessor. While they are under way the block computes its Δ.
// It has eight sequences, as many as a tensor-core product has columns, or twice as many where there
// are many: fewer want dt_proj more often, more want each sequence's dt, B and C in more blocks.
//
// The states are asked for before the predecessor has ended. That is safe: a kernel starts when its
// predecessor has stopped waiting, so the step before this one, which wrote the states, is complete.
// dt_proj, A, the bias and D come behind them, into shared memory.
#include "four.cuh"
#include "launch.hpp"
#include "mamba1_rows.hpp"
#include "state_step.cuh"
#include "tensor_core.cuh"

namespace sipo::cuda {
namespace {

constexpr int d_state = 16;
constexpr int tile_sequences = 8;  // of a tensor-core product, a warp's
constexpr int rank_step = 16;      // of a tensor-core product
constexpr int tile_channels = 16;  // of a tensor-core product, a warp's

// Cuts of the work. In narrow blocks Δ is ready earlier; wide ones read dt, B and C less often, those
// of many sequences dt_proj.
template <int Channels, int Sequences, int Resident>
struct Cut {
    static constexpr int channels = Channels;    // of a block
    static constexpr int sequences = Sequences;  // of a block
    static constexpr int resident = Resident;    // blocks of a multiprocessor
};
using Narrow = Cut<32, 8, 8>;
using Few = Cut<64, 8, 4>;    // 128 registers
using Many = Cut<32, 16, 5>;  // 96 registers

template <typename Cut>
constexpr int threads = Cut::channels / 4 * Cut::sequences;

// bf16 rows in shared memory whose columns a product takes rank_step at a time. An odd number of
// 16-byte pieces, so that eight rows touch all banks.
constexpr int row_padding = 8;
__host__ __device__ int stride_of(int columns) {
    return (columns + rank_step - 1) / rank_step * rank_step + row_padding;
}

// What the threads of a block share.
template <typename Cut>
struct Shared {
    alignas(16) float a[d_state][Cut::channels];
    alignas(16) float bias[Cut::channels];
    alignas(16) float skip[Cut::channels];
    alignas(16) bf16 delta[Cut::sequences][Cut::channels + 8];
    alignas(16) bf16 x[Cut::sequences][Cut::channels];
    alignas(16) bf16 z[Cut::sequences][Cut::channels];
};
// Behind it.
struct Operands {
    bf16* weights;    // [channels, weight_stride], dt_proj's
    bf16* projected;  // [sequences, projected_stride], dt | B | C
    int weight_stride;
    int projected_stride;
};

template <typename Cut>
__device__ Operands operands_in(unsigned char* memory, int dt_rank) {
    auto* weights = reinterpret_cast<bf16*>(memory + sizeof(Shared<Cut>));
    const int stride = stride_of(dt_rank);
    return {weights, weights + Cut::channels * stride, stride, stride_of(dt_rank + 2 * d_state)};
}
template <typename Cut>
[[nodiscard]] std::size_t shared_bytes(int dt_rank) {
    const int halves =
        Cut::channels * stride_of(dt_rank) + Cut::sequences * stride_of(dt_rank + 2 * d_state);
    return sizeof(Shared<Cut>) + sizeof(bf16) * static_cast<std::size_t>(halves);
}

// Where a thread stands: the first of its four channels, and its sequence.
template <typename Cut>
struct Place {
    int column = static_cast<int>(threadIdx.x) % (Cut::channels / 4) * 4;  // in the block
    int sequence = static_cast<int>(threadIdx.x) / (Cut::channels / 4);    // in the block
    int first_channel = static_cast<int>(blockIdx.x) * Cut::channels;
    int channel = first_channel + column;
    int row = static_cast<int>(blockIdx.y) * Cut::sequences + sequence;
};

// dt_proj's rows for the block's channels, eight threads a row. There may be fewer than channels;
// what lies in the place of the others goes nowhere. A product reads zeros behind dt_rank.
template <typename Cut>
__device__ void ask_weights(const Operands& to, const ScanRowsArgs& args, int first_channel) {
    constexpr int row_threads = 8;
    constexpr int rows_at_once = threads<Cut> / row_threads;
    constexpr int step = row_threads * 8;  // columns
    const int row = static_cast<int>(threadIdx.x) / row_threads;
    const int col = static_cast<int>(threadIdx.x) % row_threads * 8;
    const int rows = static_cast<int>(args.d_inner) - first_channel - row;
    const int columns = to.weight_stride - row_padding - col;
    const bf16* from = args.dt_weight + (first_channel + row) * args.dt_stride + col;
    bf16* place = to.weights + row * to.weight_stride + col;
#pragma unroll 1
    for (int r = 0; r < Cut::channels; r += rows_at_once) {
        if (r >= rows) break;
#pragma unroll
        for (int k = 0; k < max_dt_rank; k += step) {
            if (k < columns) copy_async(place + k, from + k, col + k < args.dt_rank);
        }
        from += rows_at_once * args.dt_stride;
        place += rows_at_once * to.weight_stride;
    }
}

// A, the bias and D of the block's channels.
template <typename Cut>
__device__ void ask_tables(Shared<Cut>& to, const ScanRowsArgs& args, const Place<Cut>& at) {
    if (at.channel >= args.d_inner) return;
#pragma unroll
    for (int i = 0; i < d_state / Cut::sequences; ++i) {
        const int n = at.sequence + i * Cut::sequences;
        copy_async(&to.a[n][at.column], args.a + n * args.a_stride + at.channel, true);
    }
    if (at.sequence == 0) copy_async(&to.bias[at.column], args.dt_bias + at.channel, true);
    if (at.sequence == 1) copy_async(&to.skip[at.column], args.d + at.channel, true);
}

// The thread's x and z. Its registers are full of states.
template <typename Cut>
__device__ void ask_inputs(Shared<Cut>& to, const ScanRowsArgs& args, const Place<Cut>& at) {
    constexpr int bytes = 4 * sizeof(bf16);
    copy_few_async<bytes>(&to.x[at.sequence][at.column], args.x.row(at.row) + at.channel);
    copy_few_async<bytes>(&to.z[at.sequence][at.column], args.z.row(at.row) + at.channel);
}

// dt, B and C of the thread's sequence.
template <typename Cut>
__device__ void ask_projected(const Operands& to, const ScanRowsArgs& args, const Place<Cut>& at) {
    const bf16* from = args.dt_b_c.row(at.row);
    bf16* place = to.projected + at.sequence * to.projected_stride;
    for (int col = 2 * at.column; col < args.dt_rank + 2 * d_state; col += 2 * Cut::channels) {
        copy_async(place + col, from + col, true);
    }
}

// Δ of the block's sequences and of the warp's tile of channels. B stands where a product's last
// columns go beyond dt_rank, and meets zeros.
template <typename Cut>
__device__ void multiply_delta(Shared<Cut>& shared, const Operands& in, const ScanRowsArgs& args) {
    constexpr int tiles = Cut::channels / tile_channels;
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    const int channel = warp % tiles * tile_channels;
    const int sequence = warp / tiles * tile_sequences;
    const bf16* weights = in.weights + channel * in.weight_stride;
    const bf16* dt =
        in.projected + (sequence + operand_row()) * in.projected_stride + operand_column();
    float sums[4] = {};
#pragma unroll 2
    for (int k = 0; k < args.dt_rank; k += rank_step) {
        const OperandPart b{{*reinterpret_cast<const std::uint32_t*>(dt + k),
                             *reinterpret_cast<const std::uint32_t*>(dt + k + 8)}};
        multiply_add(sums, load_a(weights + k, in.weight_stride), b);
    }
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const int c = channel + operand_row() + e / 2 * 8;
        const float v = softplus<bf16>(sums[e] + shared.bias[c]);
        shared.delta[sequence + operand_column() + e % 2][c] =
            from_float<bf16>(clamp_keeping_nan(v, args.low, args.high));
    }
}

// The recurrence of a thread's channels, whose states go back as they are ready; y with skip and
// gate, whose z lacks a factor.
template <typename Cut>
__device__ Four move(const Shared<Cut>& shared, const bf16* b_c, const Place<Cut>& at,
                     Four (&h)[d_state], float* own, std::int64_t stride, float factor) {
    const Four delta = load_four(&shared.delta[at.sequence][at.column]);
    const Four skip = load_four(&shared.skip[at.column]);
    const Four x = load_four(&shared.x[at.sequence][at.column]);
    Four scaled, input, y;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        scaled.values[e] = delta.values[e] * log2_e;
        input.values[e] = delta.values[e] * x.values[e];
        y.values[e] = skip.values[e] * x.values[e];
    }
#pragma unroll
    for (int first = 0; first < d_state; first += 4) {
        const Four b = load_four(b_c + first);
        const Four c = load_four(b_c + d_state + first);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const Four a = load_four(&shared.a[first + i][at.column]);
            Four& state = h[first + i];
            advance<bf16, 4>(state, a, {scaled, input}, b.values[i], c.values[i], y);
            store_passing(own, state);
            own += stride;
        }
    }
    const Four z = load_four(&shared.z[at.sequence][at.column]);
#pragma unroll
    for (int e = 0; e < 4; ++e) y.values[e] *= silu<bf16>(z.values[e] * factor);
    return y;
}

template <typename Cut>
__global__ __launch_bounds__(threads<Cut>, Cut::resident) void scan_step_rows(ScanRowsArgs args,
                                                                              StateTable states,
                                                                              int rows) {
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared<Cut>*>(memory);
    const Operands operands = operands_in<Cut>(memory, args.dt_rank);
    const Place<Cut> at;
    const bool present = at.row < rows && at.channel < args.d_inner;
    float* own = states.data[at.row] + at.channel;
    Four h[d_state];
    if (present) {
#pragma unroll
        for (int n = 0; n < d_state; ++n) h[n] = load_fresh(own + n * states.stride);
    }
    ask_weights<Cut>(operands, args, at.first_channel);
    ask_tables(shared, args, at);
    wait_for_predecessor();
    let_successor_start();
    const float factor =
        args.factors != nullptr ? __ldcg(args.factors + min(at.row, rows - 1)) : 1.0F;
    if (present) ask_inputs(shared, args, at);
    if (at.row < rows) ask_projected(operands, args, at);
    end_copy_group();
    wait_copy_groups<0>();
    __syncthreads();
    multiply_delta(shared, operands, args);
    __syncthreads();
    if (!present) return;
    const bf16* b_c = operands.projected + at.sequence * operands.projected_stride + args.dt_rank;
    const Four y = move(shared, b_c, at, h, own, states.stride, factor);
    store_four(args.y.row(at.row) + at.channel, y);
}

template <typename Cut>
void run(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows, cudaStream_t s) {
    const auto kernel = scan_step_rows<Cut>;
    launch(s, dim3(blocks_for(args.d_inner, Cut::channels), blocks_for(rows, Cut::sequences)),
           threads<Cut>, shared_bytes<Cut>(args.dt_rank), kernel, args, states,
           static_cast<int>(rows));
}

}  // namespace

void scan_rows(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
               const RowsDevice& device, cudaStream_t s) {
    const std::int64_t blocks =
        std::int64_t{blocks_for(args.d_inner, Few::channels)} * blocks_for(rows, Few::sequences);
    if (blocks < device.multiprocessors) {
        run<Narrow>(args, states, rows, s);
    } else if (blocks <= std::int64_t{Few::resident} * device.multiprocessors) {
        run<Few>(args, states, rows, s);
    } else {
        run<Many>(args, states, rows, s);
    }
}

}  // namespace sipo::cuda
