// Δ, the recurrence and the gate of a Mamba-1 step of several sequences, bf16.
//
// The states are nearly all of the bytes, read once and written once, so the kernel is as fast as
// they come. A thread holds all states of four neighbouring channels of a sequence, and the first
// thing it does is to ask for them at once, 256 bytes; a step of 64 sequences of 5,120 channels is one
// wave of such threads, 20 warps a multiprocessor. While they are under way the block computes its Δ.
// It has eight sequences, as many as a tensor-core product has columns: fewer would want dt_proj more
// often, more of them would want each sequence's dt, B and C in more blocks.
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
constexpr int sequences = 8;       // of a block, and of a tensor-core product
constexpr int rank_step = 16;      // of a tensor-core product
constexpr int tile_channels = 16;  // of a tensor-core product, a warp's

// Cuts of the work. In narrow blocks Δ is ready earlier; wide ones read dt, B and C less often. Where
// few blocks make a wave a thread has more registers beside the 64 of its states, to ask for sums in.
template <int Channels, int Resident, int ColumnsAtOnce>
struct Cut {
    static constexpr int channels = Channels;              // of a block
    static constexpr int resident = Resident;              // blocks of a multiprocessor
    static constexpr int columns_at_once = ColumnsAtOnce;  // of a sequence's dt | B | C
};
using Narrow = Cut<32, 8, 192>;
using Few = Cut<64, 4, 192>;   // 128 registers
using Many = Cut<64, 5, 128>;  // 96 registers

template <int Channels>
constexpr int threads = Channels / 4 * sequences;

// bf16 rows in shared memory whose columns a product takes rank_step at a time. An odd number of
// 16-byte pieces, so that eight rows touch all banks.
constexpr int row_padding = 8;
__host__ __device__ int stride_of(int columns) {
    return (columns + rank_step - 1) / rank_step * rank_step + row_padding;
}

// What the threads of a block share.
template <int Channels>
struct Shared {
    alignas(16) float a[d_state][Channels];
    alignas(16) float bias[Channels];
    alignas(16) float skip[Channels];
    alignas(16) bf16 delta[sequences][Channels + 8];
    alignas(16) bf16 x[sequences][Channels];
    alignas(16) bf16 z[sequences][Channels];
};
// Behind it.
struct Operands {
    bf16* weights;    // [Channels, weight_stride], dt_proj's
    bf16* projected;  // [sequences, projected_stride], dt | B | C
    int weight_stride;
    int projected_stride;
};

template <int Channels>
__device__ Operands operands_in(unsigned char* memory, int dt_rank) {
    auto* weights = reinterpret_cast<bf16*>(memory + sizeof(Shared<Channels>));
    const int stride = stride_of(dt_rank);
    return {weights, weights + Channels * stride, stride, stride_of(dt_rank + 2 * d_state)};
}
template <int Channels>
[[nodiscard]] std::size_t shared_bytes(int dt_rank) {
    const int halves = Channels * stride_of(dt_rank) + sequences * stride_of(dt_rank + 2 * d_state);
    return sizeof(Shared<Channels>) + sizeof(bf16) * static_cast<std::size_t>(halves);
}

// Where a thread stands: the first of its four channels, and its sequence.
template <int Channels>
struct Place {
    int column = static_cast<int>(threadIdx.x) % (Channels / 4) * 4;  // in the block
    int sequence = static_cast<int>(threadIdx.x) / (Channels / 4);    // in the block
    int first_channel = static_cast<int>(blockIdx.x) * Channels;
    int channel = first_channel + column;
    int row = static_cast<int>(blockIdx.y) * sequences + sequence;
};

// dt_proj's rows for the block's channels, eight threads a row. There may be fewer than Channels;
// what lies in the place of the others goes nowhere. A product reads zeros behind dt_rank.
template <int Channels>
__device__ void ask_weights(const Operands& to, const ScanRowsArgs& args, int first_channel) {
    constexpr int row_threads = 8;
    constexpr int rows_at_once = threads<Channels> / row_threads;
    constexpr int step = row_threads * 8;  // columns
    const int row = static_cast<int>(threadIdx.x) / row_threads;
    const int col = static_cast<int>(threadIdx.x) % row_threads * 8;
    const int rows = static_cast<int>(args.d_inner) - first_channel - row;
    const int columns = to.weight_stride - row_padding - col;
    const bf16* from = args.dt_weight + (first_channel + row) * args.dt_stride + col;
    bf16* place = to.weights + row * to.weight_stride + col;
#pragma unroll 1
    for (int r = 0; r < Channels; r += rows_at_once) {
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
template <int Channels>
__device__ void ask_tables(Shared<Channels>& to, const ScanRowsArgs& args,
                           const Place<Channels>& at) {
    if (at.channel >= args.d_inner) return;
#pragma unroll
    for (int i = 0; i < d_state / sequences; ++i) {
        const int n = at.sequence + i * sequences;
        copy_async(&to.a[n][at.column], args.a + n * args.a_stride + at.channel, true);
    }
    if (at.sequence == 0) copy_async(&to.bias[at.column], args.dt_bias + at.channel, true);
    if (at.sequence == 1) copy_async(&to.skip[at.column], args.d + at.channel, true);
}

// The thread's x and z. Its registers are full of states.
template <int Channels>
__device__ void ask_inputs(Shared<Channels>& to, const ScanRowsArgs& args,
                           const Place<Channels>& at) {
    constexpr int bytes = 4 * sizeof(bf16);
    copy_few_async<bytes>(&to.x[at.sequence][at.column], args.x.row(at.row) + at.channel);
    copy_few_async<bytes>(&to.z[at.sequence][at.column], args.z.row(at.row) + at.channel);
}

// dt, B and C of the thread's sequence as x_proj left them whole.
template <int Channels>
__device__ void ask_projected(const Operands& to, const ScanRowsArgs& args,
                              const Place<Channels>& at) {
    const bf16* from = args.dt_b_c.whole.row(at.row);
    bf16* place = to.projected + at.sequence * to.projected_stride;
    for (int col = 2 * at.column; col < args.dt_rank + 2 * d_state; col += 2 * Channels) {
        copy_async(place + col, from + col, true);
    }
}

// The same from sums over parts, of which a thread asks for as many at once as it has registers for.
template <int Parts, int ColumnsAtOnce, int Channels>
__device__ void add_projected(const Operands& to, const ScanRowsArgs& args,
                              const Place<Channels>& at) {
    constexpr int at_once = ColumnsAtOnce / Channels;
    const ProjectedRows& in = args.dt_b_c;
    const float* from = in.sums.row(at.row) + at.column;
    bf16* place = to.projected + at.sequence * to.projected_stride + at.column;
#pragma unroll 1
    for (int left = args.dt_rank + 2 * d_state - at.column; left > 0; left -= at_once * Channels) {
        Four parts[Parts][at_once];
#pragma unroll
        for (int part = 0; part < Parts; ++part) {
            const float* part_from = from + part * in.rows * in.sums.stride;
#pragma unroll
            for (int i = 0; i < at_once; ++i) {
                if (i * Channels < left) parts[part][i] = load_four(part_from + i * Channels);
            }
        }
#pragma unroll
        for (int i = 0; i < at_once; ++i) {
#pragma unroll
            for (int part = 1; part < Parts; ++part) add_to(parts[0][i], parts[part][i]);
            if (i * Channels < left) store_four(place + i * Channels, parts[0][i]);
        }
        from += at_once * Channels;
        place += at_once * Channels;
    }
}

// Δ of the block's sequences and of the warp's tile of channels. B stands where a product's last
// columns go beyond dt_rank, and meets zeros.
template <int Channels>
__device__ void multiply_delta(Shared<Channels>& shared, const Operands& in,
                               const ScanRowsArgs& args) {
    const int channel = static_cast<int>(threadIdx.x) / warp_size * tile_channels;
    const bf16* weights = in.weights + channel * in.weight_stride;
    const bf16* dt = in.projected + operand_row() * in.projected_stride + operand_column();
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
        shared.delta[operand_column() + e % 2][c] =
            from_float<bf16>(clamp_keeping_nan(v, args.low, args.high));
    }
}

// The recurrence of a thread's channels, whose states go back as they are ready; y with skip and
// gate, whose z lacks a factor.
template <int Channels>
__device__ Four move(const Shared<Channels>& shared, const bf16* b_c, const Place<Channels>& at,
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

template <typename Cut, int Parts>
__global__ __launch_bounds__(threads<Cut::channels>,
                             Cut::resident) void scan_step_rows(ScanRowsArgs args,
                                                                StateTable states, int rows) {
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared<Cut::channels>*>(memory);
    const Operands operands = operands_in<Cut::channels>(memory, args.dt_rank);
    const Place<Cut::channels> at;
    const bool present = at.row < rows && at.channel < args.d_inner;
    float* own = states.data[at.row] + at.channel;
    Four h[d_state];
    if (present) {
#pragma unroll
        for (int n = 0; n < d_state; ++n) h[n] = load_fresh(own + n * states.stride);
    }
    ask_weights<Cut::channels>(operands, args, at.first_channel);
    ask_tables(shared, args, at);
    wait_for_predecessor();
    let_successor_start();
    const float factor =
        args.factors != nullptr ? __ldcg(args.factors + min(at.row, rows - 1)) : 1.0F;
    if (present) ask_inputs(shared, args, at);
    if (at.row < rows) {
        if constexpr (Parts == 0) {
            ask_projected(operands, args, at);
        } else {
            add_projected<Parts, Cut::columns_at_once>(operands, args, at);
        }
    }
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
    const auto kernel =
        args.dt_b_c.parts == 0 ? scan_step_rows<Cut, 0> : scan_step_rows<Cut, conv_project_parts>;
    launch(s, dim3(blocks_for(args.d_inner, Cut::channels), blocks_for(rows, sequences)),
           threads<Cut::channels>, shared_bytes<Cut::channels>(args.dt_rank), kernel, args, states,
           static_cast<int>(rows));
}

}  // namespace

void scan_rows(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
               const RowsDevice& device, cudaStream_t s) {
    const std::int64_t blocks =
        std::int64_t{blocks_for(args.d_inner, Few::channels)} * blocks_for(rows, sequences);
    if (blocks < device.multiprocessors) {
        run<Narrow>(args, states, rows, s);
    } else if (blocks <= std::int64_t{Few::resident} * device.multiprocessors) {
        run<Few>(args, states, rows, s);
    } else {
        run<Many>(args, states, rows, s);
    }
}

}  // namespace sipo::cuda
