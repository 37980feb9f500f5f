// Mamba-2's recurrence over a prompt in exact f32, the state in registers: for activations in f32 and
// for bf16 shapes that head_scan_parts.cu does not take.
//
// The columns of a head's state [d_state, head_dim] do not touch each other. Four lanes share a
// column; each holds every fourth group of four states, so that the lanes of a warp read 64 bytes
// of B and of C side by side. A block scans 32 columns of a head; B, C, Δ and the decay of a tile of
// tokens lie in shared memory, widened once.
#include "device_math.cuh"
#include "head_scan.hpp"
#include "launch.hpp"
#include "scan_common.cuh"

namespace sipo::cuda {
namespace {

constexpr int lanes = 4;  // of a column
constexpr int columns = 32;
constexpr int threads = columns * lanes;
constexpr int tile_tokens = 16;

template <int States>
struct Tile {
    alignas(16) float b[tile_tokens][States];
    alignas(16) float c[tile_tokens][States];
    float delta[tile_tokens];
    float decay[tile_tokens];
};

template <typename T, int States>
__device__ void load_tile(Tile<States>& tile, const ScanArgs<T, float>& args, std::int64_t head,
                          const Filter& filter, std::int64_t first) {
    const std::int64_t group = head / (args.n_heads / args.n_groups) * States;
    for (int i = static_cast<int>(threadIdx.x); i < tile_tokens * States; i += threads) {
        const std::int64_t t = min(first + i / States, args.tokens - 1);
        const std::int64_t row = visited_row(args, t);
        tile.b[i / States][i % States] = to_float(args.b.row(row)[group + i % States]);
        tile.c[i / States][i % States] = to_float(args.c.row(row)[group + i % States]);
    }
    if (threadIdx.x < tile_tokens) {
        const std::int64_t t = min(first + threadIdx.x, args.tokens - 1);
        const float delta = filter(args.delta.row(visited_row(args, t))[head]);
        tile.delta[threadIdx.x] = delta;
        tile.decay[threadIdx.x] = decay_exp2<T>(delta * args.a[head] * log2_e);
    }
}

__device__ float4 four_at(const float* from) { return *reinterpret_cast<const float4*>(from); }

// One token of a thread's states; the sum over them.
template <int States>
__device__ float scan_token(const Tile<States>& tile, int i, int lane, float x,
                            float (&h)[States / lanes]) {
    const float decay = tile.decay[i];
    const float input = tile.delta[i] * x;
    float sums[4] = {};
#pragma unroll
    for (int n = 0; n < States / lanes; n += 4) {
        const float4 b = four_at(&tile.b[i][n * lanes + lane * 4]);
        const float4 c = four_at(&tile.c[i][n * lanes + lane * 4]);
        h[n] = decay * h[n] + input * b.x;
        h[n + 1] = decay * h[n + 1] + input * b.y;
        h[n + 2] = decay * h[n + 2] + input * b.z;
        h[n + 3] = decay * h[n + 3] + input * b.w;
        sums[0] += h[n] * c.x;
        sums[1] += h[n + 1] * c.y;
        sums[2] += h[n + 2] * c.z;
        sums[3] += h[n + 3] * c.w;
    }
    float sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    sum += __shfl_xor_sync(0xffffffffU, sum, 1);
    return sum + __shfl_xor_sync(0xffffffffU, sum, 2);
}

// Of state n * lanes + lane * 4 + k the row, for a thread's n-th four.
__device__ std::int64_t state_row(int n, int lane) {
    return std::int64_t{n / 4} * 4 * lanes + lane * 4 + n % 4;
}

template <typename T, int States>
__global__ __launch_bounds__(threads) void scan_columns(ScanArgs<T, float> args,
                                                        Rows<float> states) {
    __shared__ Tile<States> tiles[2];
    constexpr int held = States / lanes;
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t head = blockIdx.y;
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    const std::int64_t own = std::int64_t{blockIdx.x} * columns + threadIdx.x / lanes;
    const bool present = own < args.head_dim;
    const std::int64_t p = present ? own : args.head_dim - 1;
    const std::int64_t column = head * args.head_dim + p;
    const Rows<float> state{states.row(head * States) + p, states.stride};
    const Filter filter = filter_of(args, head);
    const float skip = args.d[head];
    float h[held];
#pragma unroll
    for (int n = 0; n < held; ++n) h[n] = *state.row(state_row(n, lane));
    load_tile(tiles[0], args, head, filter, 0);
    int buffer = 0;
    for (std::int64_t first = 0; first < args.tokens; first += tile_tokens, buffer ^= 1) {
        float x[tile_tokens];
#pragma unroll
        for (int i = 0; i < tile_tokens; ++i) {
            const std::int64_t t = min(first + i, args.tokens - 1);
            x[i] = to_float(args.x.row(visited_row(args, t))[column]);
        }
        __syncthreads();
        if (first + tile_tokens < args.tokens) {
            load_tile(tiles[buffer ^ 1], args, head, filter, first + tile_tokens);
        }
#pragma unroll
        for (int i = 0; i < tile_tokens; ++i) {
            if (first + i >= args.tokens) break;
            const float y = scan_token<States>(tiles[buffer], i, lane, x[i], h) + skip * x[i];
            if (lane == 0 && present) args.y.row(first + i)[column] = from_float<T>(y);
        }
    }
    if (!present) return;
#pragma unroll
    for (int n = 0; n < held; ++n) *state.row(state_row(n, lane)) = h[n];
}

template <typename T, int States>
void run(const ScanArgs<T, float>& args, Rows<float> state, cudaStream_t s) {
    const dim3 grid(blocks_for(args.head_dim, columns), static_cast<unsigned>(args.n_heads));
    launch(s, grid, threads, 0, scan_columns<T, States>, args, state);
}

}  // namespace

template <typename T>
bool head_scan_columns(const ScanArgs<T, float>& args, Rows<float> state, cudaStream_t s) {
    if (args.n_heads > max_heads) return false;
    switch (args.d_state) {
        case 16: run<T, 16>(args, state, s); return true;
        case 32: run<T, 32>(args, state, s); return true;
        case 64: run<T, 64>(args, state, s); return true;
        case 128: run<T, 128>(args, state, s); return true;
        default: return false;
    }
}
template bool head_scan_columns(const ScanArgs<float, float>&, Rows<float>, cudaStream_t);
template bool head_scan_columns(const ScanArgs<bf16, float>&, Rows<float>, cudaStream_t);

}  // namespace sipo::cuda
