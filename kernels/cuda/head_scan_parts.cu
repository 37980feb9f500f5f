// Mamba-2's recurrence for prompts, on tensor cores: bf16, head_dim a multiple of 16, d_state 64 or
// 128. The dual form of the paper (arXiv 2405.21060, section 6) over parts of 16 tokens, with l the
// running sum of Δ A within the part:
//     y_i = exp(l_i) C_i h_before + Σ_{j≤i} (C_i·B_j) exp(l_i − l_j) Δ_j x_j + D x_i
//     h   = exp(l_end) h_before + Σ_j exp(l_end − l_j) Δ_j x_j ⊗ B_j
// A warp keeps 16 columns of a head's state, transposed, in registers through its whole segment. The
// sums of one product are, as they lie, the operand of the next (rounded to bf16), so the state never
// passes through memory and warps wait for each other only where tokens are staged. Parts are short
// because the sums within one cost two exponentials a token and pair, and the state next to nothing.
//
// Few heads leave most of the device idle, so a long prompt is cut into segments: a first kernel
// finds what each adds to the state, the second starts each from the sum of those before it.
#include <algorithm>

#include "async_copy.cuh"
#include "device_math.cuh"
#include "head_scan.hpp"
#include "launch.hpp"
#include "scan_common.cuh"
#include "tensor_core.cuh"

namespace sipo::cuda {
namespace {

constexpr int part = 16;          // tokens, and a warp's columns
constexpr int stage_tokens = 32;  // staged together, a lane each
constexpr int stages = 3;         // of the ring: computed, present for its scores, under way
constexpr int warps = 8;          // of a block
constexpr int block_columns = warps * part;
constexpr int threads = warps * warp_size;
constexpr int pad = 8;  // elements after a row: spreads rows over the banks
// Less than any exponent whose power of two is not zero: keeps sums of decays finite.
constexpr float least_exponent = -160.0F;

using Args = ScanArgs<bf16, float>;
// A position in shared memory, in bytes.
using Shared = std::uint32_t;

template <int State>
struct Stage {
    static constexpr int row = (State + pad) * 2;  // bytes of a token's B or C
    static constexpr int x_row = (block_columns + pad) * 2;
    static constexpr int c = stage_tokens * row;
    static constexpr int x = 2 * stage_tokens * row;
    static constexpr int bytes = x + stage_tokens * x_row;
};
// C_i·B_j within the parts of a stage.
constexpr int score_row = (part + pad) * 2;
constexpr int score_bytes = stage_tokens * score_row;

template <int State>
constexpr int memory_bytes = stages* Stage<State>::bytes + 2 * score_bytes;

__device__ inline std::uint32_t load_shared(Shared from) {
    std::uint32_t value;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(value) : "r"(from));
    return value;
}
__device__ inline void store_shared(Shared to, std::uint32_t value) {
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(to), "r"(value) : "memory");
}

// What a warp works on, and where its lanes read.
struct Place {
    int warp;
    int lane;
    std::int64_t head;
    std::int64_t group;
    std::int64_t first_column;  // of the block, in [0, d_inner)
    std::int64_t head_column;   // of the warp, within its head
    int columns;                // of the block that there are
    bool active;                // whether the warp's are there
    std::int64_t begin;         // the segment's tokens
    std::int64_t end;
};
__device__ inline Place place_of(const Args& args, std::int64_t segment_tokens) {
    Place at{};
    at.warp = static_cast<int>(threadIdx.x) / warp_size;
    at.lane = static_cast<int>(threadIdx.x) % warp_size;
    const std::int64_t heads = args.n_heads / args.n_groups;  // of a group
    const std::int64_t columns = heads * args.head_dim;
    const std::int64_t blocks = (columns + block_columns - 1) / block_columns;
    at.group = blockIdx.x / blocks;
    const std::int64_t first = blockIdx.x % blocks * block_columns;
    at.first_column = at.group * columns + first;
    at.columns = static_cast<int>(min(std::int64_t{block_columns}, columns - first));
    at.active = at.warp * part < at.columns;
    const std::int64_t column = at.first_column + (at.active ? at.warp * part : 0);
    at.head = column / args.head_dim;
    at.head_column = column % args.head_dim;
    at.begin = blockIdx.y * segment_tokens;
    at.end = min(args.tokens, at.begin + segment_tokens);
    return at;
}

// A thread's share of staging: 16 bytes of every `rows`-th token's B, C and x.
template <int State, bool Outputs>
class Stager {
public:
    __device__ Stager(const Args& args, const Place& at) : args_(args), end_(at.end) {
        const int piece = static_cast<int>(threadIdx.x) % pieces * wide<bf16>;
        row_ = static_cast<int>(threadIdx.x) / pieces;
        has_state_ = piece < State;
        has_x_ = piece < at.columns;
        to_state_ = row_ * Layout::row + piece * 2;
        to_x_ = Layout::x + row_ * Layout::x_row + piece * 2;
        b_ = args.b.data + at.group * State + piece;
        c_ = args.c.data + at.group * State + piece;
        x_ = args.x.data + at.first_column + (has_x_ ? piece : 0);
    }
    // The tokens from `first` on, of which those past the segment's end are zeros.
    __device__ void operator()(Shared to, std::int64_t first) const {
#pragma unroll
        for (int r = 0; r < stage_tokens; r += rows) {
            const std::int64_t t = first + row_ + r;
            const bool there = t < end_;
            const std::int64_t from = visited_row(args_, there ? t : end_ - 1);
            if (has_state_) {
                const Shared state = to + to_state_ + r * Layout::row;
                copy_async(state, b_ + from * args_.b.stride, there);
                if constexpr (Outputs) {
                    copy_async(state + Layout::c, c_ + from * args_.c.stride, there);
                }
            }
            copy_async(to + to_x_ + r * Layout::x_row, x_ + from * args_.x.stride, there && has_x_);
        }
        end_copy_group();
    }

private:
    using Layout = Stage<State>;
    static constexpr int pieces = block_columns / wide<bf16>;  // of a row of x
    static constexpr int rows = threads / pieces;

    const Args& args_;
    std::int64_t end_;
    int row_;
    bool has_state_;
    bool has_x_;
    Shared to_state_;
    Shared to_x_;
    const bf16* b_;
    const bf16* c_;
    const bf16* x_;
};

__device__ inline float lane_log2(float v) {
    float result;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(v));
    return result;
}
__device__ inline float of_lane(float value, int lane) {
    return __shfl_sync(0xffffffffU, value, lane);
}

// A lane's token of a stage, in powers of two: the sum l of Δ A from the first token of its part
// through it, and l − log Δ, so that exp(l_i) Δ_j / exp(l_j) takes one exponential. Δ is 0 past the end.
struct LaneToken {
    float decay = 0.0F;
    float input = 0.0F;
};
// As it lies in memory: what is done to it waits until the load has come. Past the end, any.
__device__ inline float load_delta(const Args& args, const Place& at, std::int64_t first) {
    const std::int64_t t = min(first + at.lane, at.end - 1);
    return args.delta.row(visited_row(args, t))[at.head];
}
__device__ inline LaneToken sum_decays(float delta, float a, int lane) {
    float sum = delta * a;
    sum = sum < least_exponent ? least_exponent : sum;
#pragma unroll
    for (int step = 1; step < part; step *= 2) {
        const float before = __shfl_up_sync(0xffffffffU, sum, step, part);
        if (lane % part >= step) sum += before;
    }
    return {sum, sum - lane_log2(delta)};
}

// What every lane needs of the tokens of a part: those of its operands' rows and columns.
struct PartDecays {
    float rows[2];     // of tokens operand_row() and 8 below
    float columns[4];  // inputs of tokens operand_column(), the next, and 8 below
    float whole;
};
__device__ inline PartDecays decays_of(const LaneToken& token, int first) {
    PartDecays out;
#pragma unroll
    for (int i = 0; i < 2; ++i) out.rows[i] = of_lane(token.decay, first + operand_row() + 8 * i);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        out.columns[i] = of_lane(token.input, first + operand_column() + i % 2 + i / 2 * 8);
    }
    out.whole = of_lane(token.decay, first + part - 1);
    return out;
}

__device__ inline std::uint32_t packed(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const std::uint32_t*>(&pair);
}
__device__ inline float2 unpacked(std::uint32_t pair) {
    return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000U));
}

// A warp's columns of a state, transposed: tile j holds states 8 j ... 8 j + 7.
template <int State>
struct WarpState {
    float tiles[State / 8][4];

    // fn(element, state, column of the warp)
    template <typename Fn>
    __device__ void for_each(const Fn& fn) {
#pragma unroll
        for (int j = 0; j < State / 8; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                fn(tiles[j][e], 8 * j + operand_column() + e % 2, operand_row() + e / 2 * 8);
            }
        }
    }
    __device__ void load(const Rows<float>& state, const Place& at) {
        const Rows<float> own{state.row(at.head * State) + at.head_column, state.stride};
        for_each([&](float& h, int n, int p) { h = own.row(n)[p]; });
    }
    __device__ void store(const Rows<float>& state, const Place& at) {
        const Rows<float> own{state.row(at.head * State) + at.head_column, state.stride};
        for_each([&](float& h, int n, int p) { own.row(n)[p] = h; });
    }
    __device__ void scale(float factor) {
        for_each([&](float& h, int, int) { h *= factor; });
    }
    // The operand [16 states from 16 k on, 8 columns from 8 `half` on] of a product.
    template <int Half>
    __device__ OperandPart operand(int k) const {
        return {{packed(tiles[2 * k][2 * Half], tiles[2 * k][2 * Half + 1]),
                 packed(tiles[2 * k + 1][2 * Half], tiles[2 * k + 1][2 * Half + 1])}};
    }
    // Adds xᵀ [16 columns, 16 tokens] · B [16 tokens, State]; `b`: the lane's row of B.
    __device__ void add(const OperandA& x, Shared b) {
#pragma unroll
        for (int n = 0; n < State; n += 16) {
            std::uint32_t right[4];
            load_matrices<true>(b + 2 * n, right);
            multiply_add(tiles[n / 8], x, {{right[0], right[1]}});
            multiply_add(tiles[n / 8 + 1], x, {{right[2], right[3]}});
        }
    }
};

// The states that segments start from, in scratch memory: slot 0 is the state before the first, slot
// k what segment k − 1 ends with (for k > 1 when it starts from zeros), as the warps hold them.
struct Slots {
    float4* states;  // [segments, blocks, warps, d_state / 8, 32]
    float* decays;   // [segments, n_heads]: what segment k − 1 leaves of its start
};
template <int State>
__device__ float4* slot_of(const Slots& slots, const Place& at, int k) {
    const std::int64_t block = std::int64_t{k} * gridDim.x + blockIdx.x;
    return slots.states + (block * warps + at.warp) * (State / 8) * warp_size + at.lane;
}
template <int State>
__device__ void save(const WarpState<State>& h, float4* slot) {
#pragma unroll
    for (int j = 0; j < State / 8; ++j) {
        const float(&tile)[4] = h.tiles[j];
        slot[j * warp_size] = make_float4(tile[0], tile[1], tile[2], tile[3]);
    }
}
// h ← decay h + the slot's.
template <int State>
__device__ void add_slot(WarpState<State>& h, float decay, const float4* slot) {
#pragma unroll
    for (int j = 0; j < State / 8; ++j) {
        const float4 more = slot[j * warp_size];
        float(&tile)[4] = h.tiles[j];
        tile[0] = decay * tile[0] + more.x;
        tile[1] = decay * tile[1] + more.y;
        tile[2] = decay * tile[2] + more.z;
        tile[3] = decay * tile[3] + more.w;
    }
}

// The lane's rows of the operands of a part, within a stage.
struct LaneOffsets {
    Shared state;   // of B and C: 16 tokens, 16 states
    Shared x;       // of xᵀ: 16 columns of the warp, 16 tokens
    Shared scores;  // 16 tokens, 16 tokens
};
template <int State>
__device__ LaneOffsets lane_offsets(const Place& at) {
    const int lane = at.lane;
    using Layout = Stage<State>;
    LaneOffsets out{};
    out.state = lane % 16 * Layout::row + lane / 16 * 16;
    out.x = Layout::x + (lane % 8 + lane / 16 * 8) * Layout::x_row + lane / 8 % 2 * 16 +
            at.warp * part * 2;
    out.scores = lane % 16 * score_row + lane / 16 * 16;
    return out;
}

// scores[i][j] = C_i·B_j of the parts of a stage; a warp 16 rows and 8 columns.
template <int State>
__device__ void score(Shared staged, Shared scores, const Place& at, const LaneOffsets& offsets) {
    using Layout = Stage<State>;
    if (at.warp >= stage_tokens / part * 2) return;
    const int row = at.warp / 2 * part;
    const int col = at.warp % 2 * 8;
    const Shared c = staged + Layout::c + row * Layout::row + offsets.state;
    const Shared b = staged + (row + col + at.lane % 8) * Layout::row + at.lane / 8 * 16;
    float sums[2][4] = {};
#pragma unroll
    for (int k = 0; k < State; k += 32) {
        std::uint32_t right[4];
        load_matrices<false>(b + 2 * k, right);
        OperandA left;
        load_matrices<false>(c + 2 * k, left.values);
        multiply_add(sums[0], left, {{right[0], right[1]}});
        load_matrices<false>(c + 2 * k + 32, left.values);
        multiply_add(sums[1], left, {{right[2], right[3]}});
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        store_shared(
            scores + (row + operand_row() + 8 * r) * score_row + (col + operand_column()) * 2,
            packed(sums[0][2 * r] + sums[1][2 * r], sums[0][2 * r + 1] + sums[1][2 * r + 1]));
    }
}

// (C_i·B_j) exp(l_i − l_j) Δ_j of a part as an operand; zero above the diagonal.
__device__ inline OperandA decayed_scores(Shared scores, const PartDecays& decays) {
    OperandA out;
    load_matrices<false>(scores, out.values);
    const bool first = operand_column() <= operand_row();  // of a pair on a diagonal block
    const bool second = operand_column() < operand_row();
    const auto pair = [&](std::uint32_t both, float row, int col, bool whole) {
        const float2 score = unpacked(both);
        const float left = score.x * decay_exp2<bf16>(row - decays.columns[col]);
        const float right = score.y * decay_exp2<bf16>(row - decays.columns[col + 1]);
        return packed(whole || first ? left : 0.0F, whole || second ? right : 0.0F);
    };
    out.values[0] = pair(out.values[0], decays.rows[0], 0, false);
    out.values[1] = pair(out.values[1], decays.rows[1], 0, true);
    out.values[2] = 0U;
    out.values[3] = pair(out.values[3], decays.rows[1], 2, false);
    return out;
}

// The warp's columns of y of a part, before the skip. `c`, `scores`: the lane's rows.
template <int State>
__device__ void part_outputs(const WarpState<State>& h, const OperandA& x, const PartDecays& decays,
                             Shared c, Shared scores, float (&sums)[2][4]) {
    float odd[2][4] = {};  // odd k apart: shorter chains
#pragma unroll
    for (int k = 0; k < State / 16; ++k) {
        OperandA left;
        load_matrices<false>(c + 32 * k, left.values);
        multiply_add(k % 2 == 0 ? sums[0] : odd[0], left, h.template operand<0>(k));
        multiply_add(k % 2 == 0 ? sums[1] : odd[1], left, h.template operand<1>(k));
    }
    const float decay[2] = {decay_exp2<bf16>(decays.rows[0]), decay_exp2<bf16>(decays.rows[1])};
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[n][e] = (sums[n][e] + odd[n][e]) * decay[e / 2];
    }
    const OperandA left = decayed_scores(scores, decays);
    multiply_add(sums[0], left, {{x.values[0], x.values[2]}});
    multiply_add(sums[1], left, {{x.values[1], x.values[3]}});
}

// y of a part with D x; `out`: the lane's two columns of its first token, `x` the same in the stage.
template <int State>
__device__ void store_outputs(const float (&sums)[2][4], float skip, Shared x, bf16* out,
                              std::int64_t stride, int tokens) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        if (operand_row() + 8 * r >= tokens) continue;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
            const float2 in = unpacked(load_shared(x + 8 * r * Stage<State>::x_row + 16 * n));
            *reinterpret_cast<std::uint32_t*>(out + 8 * r * stride + 8 * n) =
                packed(sums[n][2 * r] + skip * in.x, sums[n][2 * r + 1] + skip * in.y);
        }
    }
}

// h ← exp(l_end) h + Σ_j exp(l_end − l_j) Δ_j x_j ⊗ B_j over a part; `b`: the lane's row.
template <int State>
__device__ void move_state(WarpState<State>& h, const OperandA& x, const PartDecays& decays,
                           Shared b) {
    float weight[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        weight[i] = decay_exp2<bf16>(decays.whole - decays.columns[i]);
    }
    OperandA weighted;
#pragma unroll
    for (int r = 0; r < 4; ++r) {
        const float2 pair = unpacked(x.values[r]);
        weighted.values[r] = packed(pair.x * weight[r / 2 * 2], pair.y * weight[r / 2 * 2 + 1]);
    }
    h.scale(decay_exp2<bf16>(decays.whole));
    h.add(weighted, b);
}

// Runs fn(stage's place, its scores' place, the lane's token, first token) over a segment, with the
// stages after it under way and the next one's scores found by then.
template <int State, bool Outputs, typename Fn>
__device__ void for_stages(Shared memory, const Args& args, const Place& at,
                           const LaneOffsets& offsets, const Fn& fn) {
    constexpr int bytes = Stage<State>::bytes;
    const Shared scores = memory + stages * bytes;
    const Filter filter = filter_of(args, at.head);
    const float a = args.a[at.head] * log2_e;
    const Stager<State, Outputs> stage(args, at);
    stage(memory, at.begin);
    stage(memory + bytes, at.begin + stage_tokens);
    float raw = load_delta(args, at, at.begin);
    wait_copy_groups<1>();
    __syncthreads();
    if constexpr (Outputs) score<State>(memory, scores, at, offsets);
    int current = 0;
    int half = 0;
    for (std::int64_t first = at.begin; first < at.end; first += stage_tokens) {
        const float delta = first + at.lane < at.end ? filter(raw) : 0.0F;
        const LaneToken token = sum_decays(delta, a, at.lane);
        raw = load_delta(args, at, first + stage_tokens);
        wait_copy_groups<0>();
        __syncthreads();
        const int next = current == stages - 1 ? 0 : current + 1;
        const int last = next == stages - 1 ? 0 : next + 1;
        stage(memory + last * bytes, first + 2 * stage_tokens);
        if constexpr (Outputs) {
            score<State>(memory + next * bytes, scores + (half ^ 1) * score_bytes, at, offsets);
        }
        if (at.active) fn(memory + current * bytes, scores + half * score_bytes, token, first);
        current = next;
        half ^= 1;
    }
}

template <int State>
__global__ __launch_bounds__(threads, 2) void find_segments(Args args, Rows<float> state,
                                                            Slots slots,
                                                            std::int64_t segment_tokens) {
    extern __shared__ __align__(16) unsigned char memory[];
    const Place at = place_of(args, segment_tokens);
    const LaneOffsets offsets = lane_offsets<State>(at);
    wait_for_predecessor();
    let_successor_start();
    WarpState<State> h{};
    if (blockIdx.y == 0) {
        h.load(state, at);
        save(h, slot_of<State>(slots, at, 0));
    }
    float log_decay = 0.0F;
    for_stages<State, false>(
        shared_address(memory), args, at, offsets,
        [&](Shared staged, Shared, const LaneToken& token, std::int64_t) {
#pragma unroll
            for (int first = 0; first < stage_tokens; first += part) {
                const PartDecays decays = decays_of(token, first);
                OperandA x;
                load_matrices<true>(staged + offsets.x + first * Stage<State>::x_row, x.values);
                move_state(h, x, decays, staged + offsets.state + first * Stage<State>::row);
                log_decay += decays.whole;
            }
        });
    const int slot = static_cast<int>(blockIdx.y) + 1;
    save(h, slot_of<State>(slots, at, slot));
    if (at.active && at.head_column == 0 && at.lane == 0) {
        slots.decays[slot * args.n_heads + at.head] = decay_exp2<bf16>(log_decay);
    }
}

template <int State>
__global__ __launch_bounds__(threads, 2) void scan_segments(Args args, Rows<float> state,
                                                            Slots slots,
                                                            std::int64_t segment_tokens) {
    extern __shared__ __align__(16) unsigned char memory[];
    using Layout = Stage<State>;
    const Place at = place_of(args, segment_tokens);
    const LaneOffsets offsets = lane_offsets<State>(at);
    const float skip = args.d[at.head];
    wait_for_predecessor();
    let_successor_start();
    WarpState<State> h{};
    if (gridDim.y == 1) {
        h.load(state, at);
    } else {
        const int segment = static_cast<int>(blockIdx.y);
        for (int k = segment == 0 ? 0 : 1; k <= segment; ++k) {
            const float decay = k > 1 ? slots.decays[k * args.n_heads + at.head] : 0.0F;
            add_slot(h, decay, slot_of<State>(slots, at, k));
        }
    }
    const int column = at.warp * part + operand_column();
    const Shared own_x = Layout::x + operand_row() * Layout::x_row + column * 2;
    bf16* own_y = args.y.row(operand_row()) + at.first_column + column;
    for_stages<State, true>(
        shared_address(memory), args, at, offsets,
        [&](Shared staged, Shared scores, const LaneToken& token, std::int64_t start) {
#pragma unroll
            for (int first = 0; first < stage_tokens; first += part) {
                const PartDecays decays = decays_of(token, first);
                const Shared row = staged + offsets.state + first * Layout::row;
                OperandA x;
                load_matrices<true>(staged + offsets.x + first * Layout::x_row, x.values);
                float sums[2][4] = {};
                part_outputs(h, x, decays, row + Layout::c,
                             scores + offsets.scores + first * score_row, sums);
                const std::int64_t token_of_part = start + first;
                const auto left = static_cast<int>(min(at.end - token_of_part, std::int64_t{part}));
                store_outputs<State>(sums, skip, staged + own_x + first * Layout::x_row,
                                     own_y + token_of_part * args.y.stride, args.y.stride, left);
                move_state(h, x, decays, row);
            }
        });
    if (at.active && blockIdx.y + 1 == gridDim.y) h.store(state, at);
}

// Blocks of a segment.
std::int64_t blocks_of(const Args& args) {
    const std::int64_t columns = args.n_heads / args.n_groups * args.head_dim;
    return (columns + block_columns - 1) / block_columns * args.n_groups;
}

template <int State>
void run(const Args& args, Rows<float> state, const HeadScanPlan& plan, float* scratch,
         cudaStream_t s) {
    constexpr std::size_t bytes = memory_bytes<State>;
    const std::int64_t blocks = blocks_of(args);
    const Slots slots{reinterpret_cast<float4*>(scratch),
                      scratch + plan.segments * blocks * block_columns * State};
    const auto grid = [&](std::int64_t segments) {
        return dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(segments));
    };
    if (plan.segments > 1) {
        allow_shared(find_segments<State>, bytes);
        launch(s, grid(plan.segments - 1), threads, bytes, find_segments<State>, args, state, slots,
               plan.segment_tokens);
    }
    allow_shared(scan_segments<State>, bytes);
    launch(s, grid(plan.segments), threads, bytes, scan_segments<State>, args, state, slots,
           plan.segment_tokens);
}

}  // namespace

bool fits_head_scan_parts(const ScanArgs<bf16, float>& args) {
    return args.head_dim % part == 0 && (args.d_state == 64 || args.d_state == 128) &&
           is_wide(args.x, part) && is_wide(args.b, args.d_state) &&
           is_wide(args.c, args.d_state) && args.y.stride % 2 == 0 &&
           reinterpret_cast<std::uintptr_t>(args.y.data) % 4 == 0;
}

HeadScanPlan plan_head_scan(const ScanArgs<bf16, float>& args, int multiprocessors) {
    constexpr std::int64_t least_tokens = 256;  // of a segment: less costs more than it spreads
    const std::int64_t blocks = blocks_of(args);
    const std::int64_t wanted =
        std::min<std::int64_t>(2 * multiprocessors / blocks, args.tokens / least_tokens);
    HeadScanPlan plan;
    plan.segments = std::max<std::int64_t>(wanted, 1);
    const std::int64_t tokens = (args.tokens + plan.segments - 1) / plan.segments;
    plan.segment_tokens = (tokens + stage_tokens - 1) / stage_tokens * stage_tokens;
    plan.segments = (args.tokens + plan.segment_tokens - 1) / plan.segment_tokens;
    plan.scratch = plan.segments * (blocks * block_columns * args.d_state + args.n_heads);
    return plan;
}

void head_scan_parts(const ScanArgs<bf16, float>& args, Rows<float> state, const HeadScanPlan& plan,
                     float* scratch, cudaStream_t s) {
    if (args.d_state == 128) return run<128>(args, state, plan, scratch, s);
    return run<64>(args, state, plan, scratch, s);
}

}  // namespace sipo::cuda
