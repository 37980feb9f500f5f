// Mamba-2's recurrence, a scalar decay a head: h ← exp(Δ A) h + Δ B ⊗ x, y = C h + D x.
//
// `scan_heads` is the equations token by token, a block a head: the reference, the version for f32
// and odd shapes, and the step of decoding.
//
// `scan_chunks` (bf16, head_dim a multiple of 32, d_state 64 or 128) is for prompts: the dual form of
// the paper (arXiv 2405.21060, section 6) over chunks of 64 tokens, with l the running sum of Δ A,
//     y_i = Σ_{j≤i} (C_i·B_j) exp(l_i − l_j) Δ_j x_j + exp(l_i) C_i h_before + D x_i
//     h   = exp(l_end) h_before + Σ_j exp(l_end − l_j) Δ_j B_j ⊗ x_j
// as four tensor-core products in one kernel. A block keeps 32 columns of a head's state in registers
// through the whole prompt, so nothing between the chunks goes through memory; the next chunk is
// copied while this one is computed. C·Bᵀ is the same for all heads of a group: a kernel of its own
// computes it once. The decays are applied in registers, where the products' operands already lie.
#include "async_copy.cuh"
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "scan_common.cuh"
#include "tensor_core.cuh"

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

constexpr int chunk = 64;           // tokens
constexpr int columns = 32;         // of a head's state that a block keeps
constexpr int chunk_threads = 256;  // 8 warps
constexpr int pad = 8;              // elements after a row: spreads rows over the banks

template <int Columns>
using SharedRows = bf16[chunk][Columns + pad];

// Rows of a chunk of `from`, columns from `col` on; zeros past the last token.
template <int Columns>
__device__ void stage_rows(SharedRows<Columns>& to, const Rows<bf16>& from,
                           const ScanArgs<bf16, float>& args, std::int64_t first,
                           std::int64_t col) {
    constexpr int pieces = Columns / wide<bf16>;
    for (int i = threadIdx.x; i < chunk * pieces; i += blockDim.x) {
        const std::int64_t t = first + i / pieces;
        const bool present = t < args.tokens;
        const std::int64_t row = present ? visited_row(args, t) : 0;
        const int offset = i % pieces * wide<bf16>;
        copy_async(&to[i / pieces][offset], from.row(row) + col + offset, present);
    }
}

// scores[chunk][group][i][j] = C_i · B_j. A block a chunk and group; a warp 16 rows and half the
// columns.
template <int State>
__global__ __launch_bounds__(chunk_threads) void chunk_scores(ScanArgs<bf16, float> args,
                                                              bf16* scores) {
    __shared__ __align__(16) SharedRows<State> b;
    __shared__ __align__(16) SharedRows<State> c;
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t first = std::int64_t{blockIdx.x} * chunk;
    stage_rows<State>(b, args.b, args, first, blockIdx.y * State);
    stage_rows<State>(c, args.c, args, first, blockIdx.y * State);
    end_copy_group();
    wait_copy_groups<0>();
    __syncthreads();
    const int warp = threadIdx.x / warp_size;
    const int row = warp % 4 * 16;
    const int half = warp / 4 * 32;
    float sums[4][4] = {};
#pragma unroll
    for (int k = 0; k < State; k += 16) {
        const OperandA left = load_a(&c[row][k], State + pad);
#pragma unroll
        for (int n = 0; n < 4; n += 2) {
            // B_j as columns: rows of memory are columns of the operand.
            const OperandB right = load_b_transposed(&b[half + n * 8][k], State + pad);
            multiply_add(sums[n], left, right.first);
            multiply_add(sums[n + 1], left, right.second);
        }
    }
    bf16* out = scores + (std::int64_t{blockIdx.x} * gridDim.y + blockIdx.y) * chunk * chunk;
#pragma unroll
    for (int n = 0; n < 4; ++n) {
        const int col = half + n * 8 + operand_column();
        *reinterpret_cast<__nv_bfloat162*>(out + (row + operand_row()) * chunk + col) =
            __floats2bfloat162_rn(sums[n][0], sums[n][1]);
        *reinterpret_cast<__nv_bfloat162*>(out + (row + operand_row() + 8) * chunk + col) =
            __floats2bfloat162_rn(sums[n][2], sums[n][3]);
    }
}

template <int State>
struct ChunkMemory {
    struct Staged {
        alignas(16) SharedRows<State> b;
        alignas(16) SharedRows<State> c;
        alignas(16) SharedRows<columns> x;
        alignas(16) bf16 scores[chunk][chunk + pad];
    };
    Staged staged[2];
    alignas(16) SharedRows<columns> decayed_x;     // exp(l_end − l_t) Δ_t x_t
    alignas(16) bf16 state[State][columns + pad];  // h before the chunk
    alignas(16) float log_decay[chunk];            // l, in powers of two
    alignas(16) float delta[chunk];
};

template <int State>
__device__ void stage_chunk(typename ChunkMemory<State>::Staged& to,
                            const ScanArgs<bf16, float>& args, const bf16* scores,
                            std::int64_t first, std::int64_t group, std::int64_t x_column) {
    if (first < args.tokens) {
        stage_rows<State>(to.b, args.b, args, first, group * State);
        stage_rows<State>(to.c, args.c, args, first, group * State);
        stage_rows<columns>(to.x, args.x, args, first, x_column);
        const bf16* from = scores + (first / chunk * args.n_groups + group) * chunk * chunk;
        for (int i = threadIdx.x; i < chunk * chunk / 8; i += chunk_threads) {
            copy_async(&to.scores[i / 8][i % 8 * 8], from + i * 8, true);
        }
    }
    end_copy_group();
}

// The two Δ of a lane of the first warp, filtered; zeros past the last token.
struct LaneDeltas {
    float values[2];
};
__device__ inline LaneDeltas load_deltas(const ScanArgs<bf16, float>& args, const Filter& filter,
                                         std::int64_t first, std::int64_t head) {
    LaneDeltas deltas{};
    for (int i = 0; i < 2; ++i) {
        const std::int64_t t = first + 2 * static_cast<int>(threadIdx.x) + i;
        if (threadIdx.x < warp_size && t < args.tokens) {
            deltas.values[i] = filter(args.delta.row(visited_row(args, t))[head]);
        }
    }
    return deltas;
}

// The first warp: Δ and the running sum of Δ A, in the chunk's shared memory.
template <int State>
__device__ void sum_decays(ChunkMemory<State>& shared, const LaneDeltas& deltas, float a) {
    if (threadIdx.x >= warp_size) return;
    const int lane = static_cast<int>(threadIdx.x);
    float sum = (deltas.values[0] + deltas.values[1]) * a;
    for (int step = 1; step < warp_size; step *= 2) {
        const float before = __shfl_up_sync(0xffffffffU, sum, step);
        if (lane >= step) sum += before;
    }
    shared.delta[2 * lane] = deltas.values[0];
    shared.delta[2 * lane + 1] = deltas.values[1];
    shared.log_decay[2 * lane] = sum - deltas.values[1] * a;
    shared.log_decay[2 * lane + 1] = sum;
}

// exp(l_end − l_t) Δ_t x_t
template <int State>
__device__ void decay_inputs(ChunkMemory<State>& shared,
                             const typename ChunkMemory<State>::Staged& staged) {
    constexpr int pairs = columns / 2;
    for (int i = threadIdx.x; i < chunk * pairs; i += chunk_threads) {
        const int t = i / pairs;
        const int col = i % pairs * 2;
        const float factor =
            shared.delta[t] * decay_exp2<bf16>(shared.log_decay[chunk - 1] - shared.log_decay[t]);
        const float2 x =
            __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&staged.x[t][col]));
        *reinterpret_cast<__nv_bfloat162*>(&shared.decayed_x[t][col]) =
            __floats2bfloat162_rn(x.x * factor, x.y * factor);
    }
}

// The element pairs (C_i·B_j) exp(l_i − l_j) Δ_j of an operand's rows; zero above the diagonal.
template <int State>
__device__ std::uint32_t decayed_scores(const ChunkMemory<State>& shared,
                                        const typename ChunkMemory<State>::Staged& staged, int i,
                                        int j, float log_decay) {
    const float2 score =
        __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&staged.scores[i][j]));
    const float2 before = *reinterpret_cast<const float2*>(&shared.log_decay[j]);
    const float2 delta = *reinterpret_cast<const float2*>(&shared.delta[j]);
    const float first = j <= i ? score.x * delta.x * decay_exp2<bf16>(log_decay - before.x) : 0.0F;
    const float second =
        j + 1 <= i ? score.y * delta.y * decay_exp2<bf16>(log_decay - before.y) : 0.0F;
    const __nv_bfloat162 packed = __floats2bfloat162_rn(first, second);
    return *reinterpret_cast<const std::uint32_t*>(&packed);
}

// y of a chunk. A warp: 16 tokens and 16 columns.
template <int State>
__device__ void chunk_outputs(const ChunkMemory<State>& shared,
                              const typename ChunkMemory<State>::Staged& staged,
                              const ScanArgs<bf16, float>& args, float skip, std::int64_t first,
                              std::int64_t y_column) {
    const int warp = threadIdx.x / warp_size;
    const int row = warp % 4 * 16;
    const int col = warp / 4 * 16;
    const int i = row + operand_row();
    const float decay[2] = {shared.log_decay[i], shared.log_decay[i + 8]};
    float sums[2][4] = {};
#pragma unroll
    for (int k = 0; k < State; k += 16) {  // C h
        const OperandA left = load_a(&staged.c[row][k], State + pad);
        const OperandB right = load_b(&shared.state[k][col], columns + pad);
        multiply_add(sums[0], left, right.first);
        multiply_add(sums[1], left, right.second);
    }
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[n][e] *= decay_exp2<bf16>(decay[e / 2]);
    }
    for (int k = 0; k <= row; k += 16) {  // the tokens of this chunk up to the row
        const int j = k + operand_column();
        OperandA left;
        left.values[0] = decayed_scores<State>(shared, staged, i, j, decay[0]);
        left.values[1] = decayed_scores<State>(shared, staged, i + 8, j, decay[1]);
        left.values[2] = decayed_scores<State>(shared, staged, i, j + 8, decay[0]);
        left.values[3] = decayed_scores<State>(shared, staged, i + 8, j + 8, decay[1]);
        const OperandB right = load_b(&staged.x[k][col], columns + pad);
        multiply_add(sums[0], left, right.first);
        multiply_add(sums[1], left, right.second);
    }
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const std::int64_t t = first + i + 8 * r;
            if (t >= args.tokens) continue;
            const int c = col + n * 8 + operand_column();
            const float2 x = __bfloat1622float2(
                *reinterpret_cast<const __nv_bfloat162*>(&staged.x[i + 8 * r][c]));
            *reinterpret_cast<__nv_bfloat162*>(args.y.row(t) + y_column + c) =
                __floats2bfloat162_rn(sums[n][2 * r] + skip * x.x, sums[n][2 * r + 1] + skip * x.y);
        }
    }
}

// h ← exp(l_end) h + Bᵀ · decayed x. A warp: `State` / 8 states and all columns.
template <int State, int Tiles>
__device__ void move_state(const ChunkMemory<State>& shared,
                           const typename ChunkMemory<State>::Staged& staged, int row, int col,
                           float (&h)[Tiles][4]) {
    const float decay = decay_exp2<bf16>(shared.log_decay[chunk - 1]);
#pragma unroll
    for (int n = 0; n < Tiles; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) h[n][e] *= decay;
    }
#pragma unroll
    for (int k = 0; k < chunk; k += 16) {
        const OperandA left = load_a_transposed(&staged.b[k][row], State + pad);
#pragma unroll
        for (int n = 0; n < Tiles; n += 2) {
            const OperandB right = load_b(&shared.decayed_x[k][col + n * 8], columns + pad);
            multiply_add(h[n], left, right.first);
            multiply_add(h[n + 1], left, right.second);
        }
    }
}

// The elements a thread holds of its warp's part of the state: fn(h, state, column) for each pair.
template <int Tiles, typename Fn>
__device__ void for_state(int row, int col, float (&h)[Tiles][4], const Fn& fn) {
#pragma unroll
    for (int n = 0; n < Tiles; ++n) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            fn(&h[n][2 * r], row + operand_row() + 8 * r, col + n * 8 + operand_column());
        }
    }
}

template <int State>
__global__ __launch_bounds__(chunk_threads, 2) void scan_chunks(ScanArgs<bf16, float> args,
                                                                Rows<float> state,
                                                                const bf16* scores) {
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<ChunkMemory<State>*>(memory);
    // d_state 128: a warp holds 16 states and all columns; 64: 16 states and half of them.
    constexpr int row_warps = State / 16;
    constexpr int tiles = columns / 8 * row_warps / 8;
    const int warp = threadIdx.x / warp_size;
    const int row = warp % row_warps * 16;
    const int col = warp / row_warps * (columns / 2);
    const std::int64_t head = blockIdx.y;
    const std::int64_t group = head / (args.n_heads / args.n_groups);
    const std::int64_t state_column = std::int64_t{blockIdx.x} * columns;
    const std::int64_t x_column = head * args.head_dim + state_column;
    const Rows<float> own{state.row(head * State) + state_column, state.stride};
    const float a = args.a[head] * log2_e;
    const float skip = args.d[head];
    wait_for_predecessor();
    let_successor_start();
    const Filter filter = filter_of(args, head);
    float h[tiles][4];
    for_state(row, col, h, [&](float* pair, int n, int p) {
        pair[0] = own.row(n)[p];
        pair[1] = own.row(n)[p + 1];
    });
    stage_chunk<State>(shared.staged[0], args, scores, 0, group, x_column);
    LaneDeltas deltas = load_deltas(args, filter, 0, head);
    int buffer = 0;
    for (std::int64_t first = 0; first < args.tokens; first += chunk, buffer ^= 1) {
        const auto& staged = shared.staged[buffer];
        sum_decays<State>(shared, deltas, a);
        deltas = load_deltas(args, filter, first + chunk, head);
        wait_copy_groups<0>();
        __syncthreads();
        stage_chunk<State>(shared.staged[buffer ^ 1], args, scores, first + chunk, group, x_column);
        decay_inputs<State>(shared, staged);
        for_state(row, col, h, [&](const float* pair, int n, int p) {
            *reinterpret_cast<__nv_bfloat162*>(&shared.state[n][p]) =
                __floats2bfloat162_rn(pair[0], pair[1]);
        });
        __syncthreads();
        chunk_outputs<State>(shared, staged, args, skip, first, x_column);
        move_state<State>(shared, staged, row, col, h);
        __syncthreads();
    }
    for_state(row, col, h, [&](const float* pair, int n, int p) {
        own.row(n)[p] = pair[0];
        own.row(n)[p + 1] = pair[1];
    });
}

template <int State>
void run_chunks(const ScanArgs<bf16, float>& args, Rows<float> state, bf16* scores,
                cudaStream_t s) {
    const unsigned chunks = blocks_for(args.tokens, chunk);
    launch(s, dim3(chunks, static_cast<unsigned>(args.n_groups)), chunk_threads, 0,
           chunk_scores<State>, args, scores);
    const std::size_t bytes = sizeof(ChunkMemory<State>);
    allow_shared(scan_chunks<State>, bytes);
    launch(
        s,
        dim3(static_cast<unsigned>(args.head_dim / columns), static_cast<unsigned>(args.n_heads)),
        chunk_threads, bytes, scan_chunks<State>, args, state, scores);
}

void run_heads(const auto& args, const StateTable& states, std::int64_t rows, std::int64_t tokens,
               cudaStream_t s, auto kernel) {
    launch(s, dim3(static_cast<unsigned>(args.n_heads), static_cast<unsigned>(rows)), head_threads,
           0, kernel, args, states, tokens);
}

// Whether the tensor-core version takes these shapes and addresses.
bool fits_chunks(const ScanArgs<bf16, float>& args) {
    return args.head_dim % columns == 0 && (args.d_state == 64 || args.d_state == 128) &&
           is_wide(args.x, columns) && is_wide(args.b, args.d_state) &&
           is_wide(args.c, args.d_state) && is_wide(args.y, columns);
}

}  // namespace

std::int64_t head_scan_scratch(std::int64_t tokens, std::int64_t n_groups) {
    return (tokens + chunk - 1) / chunk * chunk * chunk * n_groups;
}

template <typename T>
void head_scan(const ScanArgs<T, float>& args, Rows<float> state, bf16* scores, cudaStream_t s) {
    if constexpr (sizeof(T) == sizeof(bf16)) {
        if (fits_chunks(args)) {
            if (args.d_state == 128) return run_chunks<128>(args, state, scores, s);
            return run_chunks<64>(args, state, scores, s);
        }
    }
    StateTable one;
    one.data[0] = state.data;
    one.stride = state.stride;
    run_heads(args, one, 1, args.tokens, s, scan_heads<T>);
}
template void head_scan(const ScanArgs<float, float>&, Rows<float>, bf16*, cudaStream_t);
template void head_scan(const ScanArgs<bf16, float>&, Rows<float>, bf16*, cudaStream_t);

template <typename T>
void head_scan_step(const ScanArgs<T, float>& args, const StateTable& states, cudaStream_t s) {
    run_heads(args, states, args.tokens, 1, s, scan_heads<T>);
}
template void head_scan_step(const ScanArgs<float, float>&, const StateTable&, cudaStream_t);
template void head_scan_step(const ScanArgs<bf16, float>&, const StateTable&, cudaStream_t);

}  // namespace sipo::cuda
