// Δ, the recurrence and the gate of a Mamba-1 step of several sequences, bf16.
//
// The states are nearly all of the bytes, read once and written once, so the kernel is as fast as
// they come. A thread has all states of four neighbouring channels of a sequence and asks for them
// early, 256 bytes; a step of 64 sequences of 5,120 channels is one wave of such threads, 20 warps a
// multiprocessor. While they are under way the block computes its Δ. It has eight sequences, as many as
// a tensor-core product has columns, or twice as many where there are many: fewer want dt_proj more
// often, more want each sequence's dt, B and C in more blocks.
//
// What comes to registers goes through the multiprocessor's own cache, which is small beside the shared
// memory of the layer's kernels, and all that is asked for later waits behind it. So, where there are more
// blocks than multiprocessors, half of the states come to shared memory past it, and both halves in two
// parts, with what x_proj has left asked for between them.
//
// The states are asked for before the predecessor has ended. That is safe: a kernel starts when its
// predecessor has stopped waiting, so the step before this one, which wrote the states, is complete.
#include "mamba1_scan_rows.hpp"

#include "four.cuh"
#include "launch.hpp"
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
template <int Channels, int Sequences, int Resident, int Held>
struct Cut {
    static constexpr int channels = Channels;    // of a block
    static constexpr int sequences = Sequences;  // of a block
    static constexpr int resident = Resident;    // blocks of a multiprocessor
    static constexpr int held = Held;            // states in shared memory, the last
    static constexpr int kept = d_state - Held;  // in registers
};
using Narrow = Cut<32, 8, 8, 0>;
using Few = Cut<64, 8, 4, 8>;
using Many = Cut<32, 16, 5, 8>;

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
    float4* held;     // [Cut::held, threads], of the states
    bf16* weights;    // [channels, weight_stride], dt_proj's
    bf16* projected;  // [sequences, projected_stride], dt | B | C
    int weight_stride;
    int projected_stride;
};

template <typename Cut>
__device__ Operands operands_in(unsigned char* memory, int dt_rank) {
    auto* held = reinterpret_cast<float4*>(memory + sizeof(Shared<Cut>));
    auto* weights = reinterpret_cast<bf16*>(held + Cut::held * threads<Cut>);
    const int stride = stride_of(dt_rank);
    return {held, weights, weights + Cut::channels * stride, stride,
            stride_of(dt_rank + 2 * d_state)};
}
template <typename Cut>
[[nodiscard]] std::size_t shared_bytes(int dt_rank) {
    const int halves =
        Cut::channels * stride_of(dt_rank) + Cut::sequences * stride_of(dt_rank + 2 * d_state);
    return sizeof(Shared<Cut>) + sizeof(float4) * Cut::held * threads<Cut> +
           sizeof(bf16) * static_cast<std::size_t>(halves);
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

// Until a value that was asked for is there, by a branch that nothing takes.
__device__ void await(float value) {
    constexpr std::uint32_t no_number = 0xffedcba9U;
    if (__float_as_uint(value) == no_number) __nanosleep(0);
}

// A thread's states, of four channels each. Those of absent channels and sequences are never asked for.
template <typename Cut>
class States {
public:
    __device__ States(const Operands& operands, float* data, std::int64_t stride, bool present)
        : held_(operands.held + threadIdx.x), data_(data), stride_(stride), present_(present) {}

    // All that is kept and nothing else, or a half of both, of which the one in registers is awaited.
    __device__ void ask_first() {
        if (!present_) return;
        ask<first_kept, 0>();
        if constexpr (Cut::held > 0) await(kept_[first_kept - 1].values[0]);
    }
    __device__ void ask_rest() {
        if (present_) ask<Cut::kept, first_kept>();
    }
    [[nodiscard]] __device__ Four operator[](int n) const {
        if (n < Cut::kept) return kept_[n];
        return load_four(reinterpret_cast<const float*>(held_ + (n - Cut::kept) * threads<Cut>));
    }
    __device__ void replace(int n, const Four& state) const {
        store_passing(data_ + n * stride_, state);
    }

private:
    static constexpr int first_kept = Cut::held > 0 ? Cut::kept / 2 : Cut::kept;

    // As many of those that are held.
    template <int End, int Begin>
    __device__ void ask() {
        constexpr int held_begin = Begin * Cut::held / Cut::kept;
        constexpr int held_end = End * Cut::held / Cut::kept;
#pragma unroll
        for (int n = held_begin; n < held_end; ++n) {
            copy_async(held_ + n * threads<Cut>, data_ + (Cut::kept + n) * stride_, true);
        }
#pragma unroll
        for (int n = Begin; n < End; ++n) kept_[n] = load_fresh(data_ + n * stride_);
    }

    float4* held_;
    float* data_;
    std::int64_t stride_;
    bool present_;
    Four kept_[Cut::kept];
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
    const bf16* from = args.layer.dt_weight + (first_channel + row) * args.layer.dt_stride + col;
    bf16* place = to.weights + row * to.weight_stride + col;
#pragma unroll 1
    for (int r = 0; r < Cut::channels; r += rows_at_once) {
        if (r >= rows) break;
#pragma unroll
        for (int k = 0; k < max_dt_rank; k += step) {
            if (k < columns) copy_async(place + k, from + k, col + k < args.dt_rank);
        }
        from += rows_at_once * args.layer.dt_stride;
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
        copy_async(&to.a[n][at.column], args.layer.a + n * args.layer.a_stride + at.channel, true);
    }
    if (at.sequence == 0) copy_async(&to.bias[at.column], args.layer.dt_bias + at.channel, true);
    if (at.sequence == 1) copy_async(&to.skip[at.column], args.layer.d + at.channel, true);
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
            from_float<bf16>(clamp_keeping_nan(v, args.layer.low, args.layer.high));
    }
}

// The recurrence of a thread's channels, whose states go back as they are ready; y with skip and
// gate, whose z lacks a factor.
template <typename Cut>
__device__ Four move(const Shared<Cut>& shared, const bf16* b_c, const Place<Cut>& at,
                     const States<Cut>& states, float factor) {
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
            Four state = states[first + i];
            advance<bf16, 4>(state, a, {scaled, input}, b.values[i], c.values[i], y);
            states.replace(first + i, state);
        }
    }
    const Four z = load_four(&shared.z[at.sequence][at.column]);
#pragma unroll
    for (int e = 0; e < 4; ++e) y.values[e] *= silu<bf16>(z.values[e] * factor);
    return y;
}

template <typename Cut>
__global__ __launch_bounds__(threads<Cut>, Cut::resident) void scan_step_rows(ScanRowsArgs args,
                                                                              StateTable table,
                                                                              int rows) {
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<Shared<Cut>*>(memory);
    const Operands operands = operands_in<Cut>(memory, args.dt_rank);
    const Place<Cut> at;
    const bool present = at.row < rows && at.channel < args.d_inner;
    States<Cut> states(operands, table.data[at.row] + at.channel, table.stride, present);
    ask_weights<Cut>(operands, args, at.first_channel);
    ask_tables(shared, args, at);
    states.ask_first();
    wait_for_predecessor();
    let_successor_start();
    const float factor =
        args.factors != nullptr ? __ldcg(args.factors + min(at.row, rows - 1)) : 1.0F;
    if (present) ask_inputs(shared, args, at);
    if (at.row < rows) ask_projected(operands, args, at);
    states.ask_rest();
    end_copy_group();
    wait_copy_groups<0>();
    __syncthreads();
    multiply_delta(shared, operands, args);
    __syncthreads();  // Δ is there
    if (!present) return;
    const bf16* b_c = operands.projected + at.sequence * operands.projected_stride + args.dt_rank;
    const Four y = move(shared, b_c, at, states, factor);
    store_four(args.y.row(at.row) + at.channel, y);
}

template <typename Cut>
void run(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows, cudaStream_t s) {
    const auto kernel = scan_step_rows<Cut>;
    const std::size_t bytes = shared_bytes<Cut>(args.dt_rank);
    allow_shared(kernel, bytes);
    launch(s, dim3(blocks_for(args.d_inner, Cut::channels), blocks_for(rows, Cut::sequences)),
           threads<Cut>, bytes, kernel, args, states, static_cast<int>(rows));
}

}  // namespace

void scan_rows(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
               int multiprocessors, cudaStream_t s) {
    const std::int64_t blocks =
        std::int64_t{blocks_for(args.d_inner, Few::channels)} * blocks_for(rows, Few::sequences);
    if (blocks < multiprocessors) {
        run<Narrow>(args, states, rows, s);
    } else if (blocks <= std::int64_t{Few::resident} * multiprocessors) {
        run<Few>(args, states, rows, s);
    } else {
        run<Many>(args, states, rows, s);
    }
}

}  // namespace sipo::cuda
