// Δ, the recurrence and the gate of a Mamba-1 step of several sequences, bf16. The states are nearly
// all of the bytes. A block has some channels of some sequences; a thread takes four channels of one
// sequence after the other. Its states come through a ring of its own in shared memory: whenever it
// has taken some it asks for others, so that a multiprocessor reads, computes and writes at once.
//
// The first states are asked for before the predecessor has ended. That is safe: a kernel starts
// when its predecessor has stopped waiting, so the step before this one, which wrote the states, is
// complete.
#include <algorithm>

#include "four.cuh"
#include "launch.hpp"
#include "mamba1_rows.hpp"
#include "tensor_core.cuh"

namespace sipo::cuda {
namespace {

constexpr int d_state = 16;
constexpr int rank_step = 16;      // of a tensor-core product
constexpr int tile_channels = 16;  // of Δ
constexpr int tile_rows = 8;
constexpr int max_threads = 320;
constexpr int max_channels = 320;  // of a block

constexpr int place_states = 4;  // of a place in the ring
constexpr int places = d_state / place_states;

// A block's share.
struct Share {
    int channels;   // a multiple of tile_channels
    int sequences;  // a multiple of tile_rows
    int threads;
    __host__ __device__ int quads() const { return channels / 4; }
    // Sequences whose threads stand side by side.
    __host__ __device__ int at_once() const { return threads / quads(); }
};

// A row of dt_proj or dt, padded to an odd number of 16-byte pieces, so that eight touch all banks.
__host__ __device__ int rank_stride(int dt_rank) {
    return (dt_rank + rank_step - 1) / rank_step * rank_step + 8;
}

// Where things lie in a block's shared memory, in bytes, the ring first.
struct Layout {
    int a, bias, delta, weights, dt, b_c, bytes;
    __host__ __device__ Layout(const Share& share, int dt_rank) {
        constexpr int f32 = sizeof(float);
        constexpr int half = sizeof(bf16);
        a = places * place_states * static_cast<int>(sizeof(Four)) * share.threads;
        bias = a + d_state * share.channels * f32;
        delta = bias + share.channels * f32;
        weights = delta + share.sequences * (share.channels + 4) * f32;
        dt = weights + share.channels * rank_stride(dt_rank) * half;
        b_c = dt + share.sequences * rank_stride(dt_rank) * half;
        bytes = b_c + share.sequences * 2 * d_state * half;
    }
};

struct Tables {
    float* a;       // [d_state, channels]
    float* bias;    // [channels]
    float* delta;   // [sequences, delta_stride]
    bf16* weights;  // [channels, rank_stride]
    bf16* dt;       // [sequences, rank_stride]
    bf16* b_c;      // [sequences, 2 d_state]
    int delta_stride;
    int rank_stride;
};

__device__ Tables tables_in(unsigned char* memory, const Share& share, int dt_rank) {
    const Layout at(share, dt_rank);
    const auto floats = [&](int offset) { return reinterpret_cast<float*>(memory + offset); };
    const auto halves = [&](int offset) { return reinterpret_cast<bf16*>(memory + offset); };
    return {floats(at.a),  floats(at.bias), floats(at.delta),   halves(at.weights),
            halves(at.dt), halves(at.b_c),  share.channels + 4, rank_stride(dt_rank)};
}

// A block of the kernel, and where its thread stands.
struct Place {
    std::int64_t first_channel;
    std::int64_t first_row;
    int rows;         // of the block that there are
    int column;       // the thread's first channel in the block
    int row;          // the thread's first sequence in the block
    bool has_states;  // the thread
    [[nodiscard]] __device__ std::int64_t channel() const { return first_channel + column; }
};

__device__ Place place_of(const ScanRowsArgs& args, const Share& share, std::int64_t rows) {
    const auto thread = static_cast<int>(threadIdx.x);
    Place at{};
    at.first_channel = std::int64_t{blockIdx.x} * share.channels;
    at.first_row = std::int64_t{blockIdx.y} * share.sequences;
    at.rows = static_cast<int>(min(rows - at.first_row, std::int64_t{share.sequences}));
    at.column = thread % share.quads() * 4;
    at.row = thread / share.quads();
    at.has_states = at.row < share.at_once() && at.channel() < args.d_inner;
    return at;
}

// dt_proj's rows for the block's channels. What it costs to ask for them delays the states, so that a
// thread only counts on from row to row.
__device__ void ask_weights(const Tables& to, const ScanRowsArgs& args, int channels,
                            const Place& at) {
    const auto thread = static_cast<int>(threadIdx.x);
    const int pieces = args.dt_rank / 8;  // of a row
    const int at_once = static_cast<int>(blockDim.x) / pieces;
    const int row = thread / pieces;
    const int col = thread % pieces * 8;
    if (row >= at_once) return;
    const bf16* from = args.dt_weight + (at.first_channel + row) * args.dt_stride + col;
    std::uint32_t place = shared_address(to.weights + row * to.rank_stride + col);
    const std::int64_t next = at_once * args.dt_stride;
    const auto next_place = static_cast<std::uint32_t>(at_once * to.rank_stride) * sizeof(bf16);
#pragma unroll 4
    for (int left = channels - row; left > 0; left -= at_once) {
        copy_async(place, from, true);
        from += next;
        place += next_place;
    }
}

// A product reads up to the next multiple of rank_step: zeros.
__device__ void clear_padding(bf16* rows, int count, int stride, int dt_rank) {
    if (dt_rank % rank_step == 0) return;
    for (int row = threadIdx.x; row < count; row += static_cast<int>(blockDim.x)) {
        *reinterpret_cast<Pack<bf16, 8>*>(rows + row * stride + dt_rank) = {};
    }
}

// dt_proj, A and the bias of the block's channels. There may be fewer than the block's share; what
// lies in the place of the others goes nowhere.
__device__ void ask_tables(const Tables& to, const ScanRowsArgs& args, const Share& share,
                           const Place& at) {
    const std::int64_t left = args.d_inner - at.first_channel;
    ask_weights(to, args, static_cast<int>(min(left, std::int64_t{share.channels})), at);
    clear_padding(to.weights, share.channels, to.rank_stride, args.dt_rank);
    if (!at.has_states) return;
#pragma unroll 1
    for (int n = at.row; n <= d_state; n += share.at_once()) {
        const float* from = n < d_state ? args.a + n * args.a_stride : args.dt_bias;
        float* place = n < d_state ? to.a + n * share.channels : to.bias;
        copy_async(place + at.column, from + at.channel(), true);
    }
}

// The thread's ring, which holds the states of a sequence, place_states of them in a place. A group
// of copies is a place's.
class Ring {
public:
    __device__ Ring(unsigned char* memory, const StateTable& states, const Place& at)
        : memory_(shared_address(memory) + threadIdx.x * piece), states_(states), at_(at) {}

    __device__ void ask(int row, int part, int place) const {
        if (at_.has_states && row < at_.rows) {
            const float* from = states_.data[at_.first_row + row] + at_.channel() +
                                part * place_states * states_.stride;
#pragma unroll
            for (int i = 0; i < place_states; ++i) {
                copy_async(address(place, i), from + i * states_.stride, true);
            }
        }
        end_copy_group();
    }
    // The oldest place that was asked for.
    __device__ void take(int place, Four (&states)[place_states]) const {
        wait_copy_groups<places - 1>();
#pragma unroll
        for (int i = 0; i < place_states; ++i) states[i] = load_shared(address(place, i));
    }

private:
    static constexpr std::uint32_t piece = sizeof(Four);
    [[nodiscard]] __device__ std::uint32_t address(int place, int i) const {
        return memory_ + static_cast<std::uint32_t>(place * place_states + i) * piece * blockDim.x;
    }
    std::uint32_t memory_;
    const StateTable& states_;
    const Place& at_;
};

// dt, B and C of the block's sequences, from what x_proj left.
__device__ Pack<bf16, 8> projected_piece(const ScanRowsArgs& args, std::int64_t row, int col) {
    const ProjectedRows& in = args.dt_b_c;
    if (in.parts == 0) return *reinterpret_cast<const Pack<bf16, 8>*>(in.whole.row(row) + col);
    Four low{}, high{};
#pragma unroll 1
    for (int part = 0; part < in.parts; ++part) {
        const float* from = in.sums.row(part * in.rows + row) + col;
        add_to(low, load_four(from));
        add_to(high, load_four(from + 4));
    }
    Pack<bf16, 8> out;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        out.values[i] = from_float<bf16>(low.values[i]);
        out.values[i + 4] = from_float<bf16>(high.values[i]);
    }
    return out;
}

__device__ void fetch_projected(const Tables& to, const ScanRowsArgs& args, const Share& share,
                                const Place& at) {
    const int pieces = (args.dt_rank + 2 * d_state) / 8;
#pragma unroll 1
    for (int i = threadIdx.x; i < share.sequences * pieces; i += static_cast<int>(blockDim.x)) {
        const int row = i / pieces;
        const int col = i % pieces * 8;
        Pack<bf16, 8> piece{};
        if (row < at.rows) piece = projected_piece(args, at.first_row + row, col);
        bf16* place = col < args.dt_rank ? to.dt + row * to.rank_stride + col
                                         : to.b_c + row * 2 * d_state + col - args.dt_rank;
        *reinterpret_cast<Pack<bf16, 8>*>(place) = piece;
    }
    clear_padding(to.dt, share.sequences, to.rank_stride, args.dt_rank);
}

// Δ of the block's channels and sequences.
__device__ void multiply_delta(const Tables& t, const ScanRowsArgs& args, const Share& share) {
    const int across = share.channels / tile_channels;
    const int tiles = across * (share.sequences / tile_rows);
    const auto warps = static_cast<int>(blockDim.x) / warp_size;
#pragma unroll 1
    for (int tile = threadIdx.x / warp_size; tile < tiles; tile += warps) {
        const int channel = tile % across * tile_channels;
        const int row = tile / across * tile_rows;
        const bf16* column = t.dt + (row + operand_row()) * t.rank_stride + operand_column();
        float sums[4] = {};
#pragma unroll 2
        for (int k = 0; k < args.dt_rank; k += rank_step) {
            const OperandA a = load_a(t.weights + channel * t.rank_stride + k, t.rank_stride);
            const OperandPart b{{*reinterpret_cast<const std::uint32_t*>(column + k),
                                 *reinterpret_cast<const std::uint32_t*>(column + k + 8)}};
            multiply_add(sums, a, b);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int c = channel + operand_row() + e / 2 * 8;
            const float v = softplus<bf16>(sums[e] + t.bias[c]);
            t.delta[(row + operand_column() + e % 2) * t.delta_stride + c] =
                to_float(from_float<bf16>(clamp_keeping_nan(v, args.low, args.high)));
        }
    }
}

// x and z of a sequence, asked for one sequence ahead.
struct Inputs {
    Pack<bf16, 4> x, z;
    __device__ void ask(const ScanRowsArgs& args, const Place& at, int row) {
        if (row >= at.rows) return;
        x = *reinterpret_cast<const Pack<bf16, 4>*>(args.x.row(at.first_row + row) + at.channel());
        z = *reinterpret_cast<const Pack<bf16, 4>*>(args.z.row(at.first_row + row) + at.channel());
    }
};

// The recurrence of four channels of a sequence.
class Recurrence {
public:
    __device__ Recurrence(const Tables& t, int row, int column, int channels, const Four& x)
        : a_(t.a + column), b_c_(t.b_c + row * 2 * d_state), channels_(channels) {
        const Four delta = load_four(t.delta + row * t.delta_stride + column);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            scaled_.values[e] = delta.values[e] * log2_e;
            input_.values[e] = delta.values[e] * x.values[e];
        }
    }
    // place_states states from `first` on.
    __device__ void move(Four (&states)[place_states], int first) {
        const Four b = load_four(b_c_ + first);
        const Four c = load_four(b_c_ + d_state + first);
#pragma unroll
        for (int i = 0; i < place_states; ++i) {
            const Four a = load_four(a_ + (first + i) * channels_);
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                float& h = states[i].values[e];
                h = decay_exp2<bf16>(scaled_.values[e] * a.values[e]) * h +
                    input_.values[e] * b.values[i];
                y_.values[e] += h * c.values[i];
            }
        }
    }
    // With skip and gate.
    [[nodiscard]] __device__ Four result(const Four& skip, const Four& x, const Four& z) const {
        Four y = y_;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            y.values[e] = (y.values[e] + skip.values[e] * x.values[e]) * silu<bf16>(z.values[e]);
        }
        return y;
    }

private:
    const float* a_;
    const bf16* b_c_;
    int channels_;
    Four scaled_{}, input_{}, y_{};
};

__device__ void recur(const Tables& t, const ScanRowsArgs& args, const Share& share,
                      const Place& at, const Ring& ring, const StateTable& states, Inputs next,
                      const Four& skip) {
    for (int row = at.row; row < at.rows; row += share.at_once()) {
        const Four x = widen(next.x);
        const Four z = widen(next.z);
        next.ask(args, at, row + share.at_once());
        Recurrence recurrence(t, row, at.column, share.channels, x);
        float* own = states.data[at.first_row + row] + at.channel();
#pragma unroll
        for (int place = 0; place < places; ++place) {
            Four h[place_states];
            ring.take(place, h);
            ring.ask(row + share.at_once(), place, place);
            recurrence.move(h, place * place_states);
#pragma unroll
            for (int i = 0; i < place_states; ++i) {
                store_passing(own + (place * place_states + i) * states.stride, h[i]);
            }
        }
        store_four(args.y.row(at.first_row + row) + at.channel(), recurrence.result(skip, x, z));
    }
}

__global__ __launch_bounds__(max_threads) void scan_step_rows(ScanRowsArgs args, StateTable states,
                                                              std::int64_t rows, Share share) {
    extern __shared__ __align__(16) unsigned char memory[];
    const Tables tables = tables_in(memory, share, args.dt_rank);
    const Place at = place_of(args, share, rows);
    const Ring ring(memory, states, at);
    ask_tables(tables, args, share, at);
    end_copy_group();
#pragma unroll
    for (int place = 0; place < places; ++place) ring.ask(at.row, place, place);
    Four skip{};
    if (at.has_states) skip = load_four(args.d + at.channel());
    wait_for_predecessor();
    let_successor_start();
    Inputs first{};
    if (at.has_states) first.ask(args, at, at.row);
    fetch_projected(tables, args, share, at);
    wait_copy_groups<places>();  // the tables
    __syncthreads();
    multiply_delta(tables, args, share);
    __syncthreads();
    if (at.has_states) recur(tables, args, share, at, ring, states, first, skip);
}

// The threads of a share: as many sequences at once as fit, all with equally many in turn.
[[nodiscard]] int threads_of(const Share& share, int rows) {
    const int sequences = std::min(share.sequences, rows);
    const int most = std::max(1, max_threads / share.quads());
    const int turns = (sequences + most - 1) / most;
    const int at_once = (sequences + turns - 1) / turns;
    return (share.quads() * at_once + warp_size - 1) / warp_size * warp_size;
}

// How the work is cut: evenly among the multiprocessors and in few waves, and of equal cuts the one
// with the longest pieces of a state's row.
[[nodiscard]] Share cut(const ScanRowsArgs& args, int rows, const RowsDevice& device) {
    constexpr std::int64_t start = 256;  // of a wave, in channels of a sequence
    Share best{};
    std::int64_t least = 0;
    for (int sequences = tile_rows; sequences < rows + tile_rows; sequences += tile_rows) {
        for (int channels = tile_channels; channels <= max_channels; channels += tile_channels) {
            Share share{channels, sequences, 0};
            share.threads = threads_of(share, rows);
            if (Layout(share, args.dt_rank).bytes > device.shared_bytes) continue;
            const std::int64_t blocks =
                std::int64_t{blocks_for(args.d_inner, channels)} * blocks_for(rows, sequences);
            const std::int64_t waves =
                (blocks + device.multiprocessors - 1) / device.multiprocessors;
            const std::int64_t cost = waves * (start + channels * std::min(sequences, rows));
            const bool better = cost < least || (cost == least && channels > best.channels);
            if (least != 0 && !better) continue;
            best = share;
            least = cost;
        }
    }
    return best;
}

}  // namespace

void scan_rows(const ScanRowsArgs& args, const StateTable& states, std::int64_t rows,
               const RowsDevice& device, cudaStream_t s) {
    const Share share = cut(args, static_cast<int>(rows), device);
    const auto bytes = static_cast<std::size_t>(Layout(share, args.dt_rank).bytes);
    allow_shared(scan_step_rows, bytes);
    launch(s, dim3(blocks_for(args.d_inner, share.channels), blocks_for(rows, share.sequences)),
           static_cast<unsigned>(share.threads), bytes, scan_step_rows, args, states, rows, share);
}

}  // namespace sipo::cuda
