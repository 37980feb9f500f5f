// The convolution of a Mamba-1 step of several sequences, bf16, and x_proj with it.
//
// `convolve_rows` is the convolution alone: the reference, and the version for other cards than
// Hopper, odd widths and quantised weights. `convolve_project` takes x_proj with it, whose work is so
// small that a launch of its own costs more. A block convolves a slice of the channels of sixteen rows
// and multiplies what it has made; the sums of the eight blocks of a cluster meet in shared memory,
// those of two clusters in the reader. With eight rows a cluster, sixteen clusters would be wanted;
// the card has room for fifteen at once.
//
// Histories and weights are asked for before the predecessor has ended, where it lets this kernel
// start early. That is safe: it has stopped waiting then, so the step before this one, which wrote
// the histories, is complete. Where it does not, what it has made is asked for first: a thread waits
// for its turn to ask as long as for an answer.
#include "cluster.cuh"
#include "four.cuh"
#include "launch.hpp"
#include "mamba1_rows.hpp"
#include "row_factor.cuh"
#include "tensor_core.cuh"

namespace sipo::cuda {
namespace {

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

constexpr int cluster_blocks = 8;
constexpr int slices = conv_project_parts * cluster_blocks;  // of the channels
constexpr int block_rows = 16;
[[maybe_unused]] constexpr int row_tile = 8;  // of a tensor-core product
constexpr int output_tile = 16;               // a warp's
constexpr int channel_step = 32;              // 16 bytes of each of the four lanes that share a row
constexpr int max_quads = 4;                  // of a thread
constexpr int factor_threads = 8;             // that find the factor of a row
constexpr int project_threads = conv_project_outputs / output_tile * warp_size;

// Steps: channel_step channels, as many as a slice has.
template <int Steps>
struct ConvShared {
    static constexpr int channels = Steps * channel_step;
    // Eight rows' pieces touch all banks.
    static constexpr int stride = channels + (Steps % 2 == 0 ? channel_step : 0);
    float history[taps - 1][block_rows][channels];
    float weight[taps][channels];
    float bias[channels];
    float factor[block_rows];
    bf16 x[block_rows][stride];
};

// Four channels of a row of the block.
struct Quad {
    int row;
    int column;
    bool present;
};
template <int Steps>
__device__ Quad quad_of(int i, int rows) {
    constexpr int quads = ConvShared<Steps>::channels / 4;
    const auto item = static_cast<int>(threadIdx.x + i * blockDim.x);
    const int row = item / quads;
    return {row, item % quads * 4, row < min(rows, block_rows)};
}

template <int Steps>
__device__ void ask_conv(ConvShared<Steps>& shared, const ConvRowsArgs& args,
                         const StateTable& histories, std::int64_t first_row, int rows,
                         std::int64_t first_channel) {
#pragma unroll
    for (int i = 0; i < max_quads; ++i) {
        const Quad at = quad_of<Steps>(i, rows);
        if (!at.present) break;
        const float* from = histories.data[first_row + at.row] + first_channel + at.column;
#pragma unroll
        for (int k = 0; k < taps - 1; ++k) {
            copy_async(&shared.history[k][at.row][at.column], from + k * histories.stride, true);
        }
    }
    constexpr int quads = ConvShared<Steps>::channels / 4;
    for (int i = threadIdx.x; i < (taps + 1) * quads; i += static_cast<int>(blockDim.x)) {
        const int k = i / quads;
        const int column = i % quads * 4;
        const bool is_bias = k == taps;
        const float* from = is_bias && args.bias != nullptr
                                ? args.bias
                                : args.weight + (is_bias ? 0 : k) * args.weight_stride;
        copy_async((is_bias ? shared.bias : shared.weight[k]) + column,
                   from + first_channel + column, !is_bias || args.bias != nullptr);
    }
    end_copy_group();
}

// A warp's outputs of x_proj for the block's channels, as operands: of 32 channels a lane has eight
// neighbouring ones of two outputs. Which of a product's k they are does not matter so long as x has
// them in the same places.
template <int Steps>
struct OutputWeights {
    uint4 low[Steps];   // output lane / 4
    uint4 high[Steps];  // eight outputs on
    __device__ void ask(const ConvProjectRowsArgs& args, std::int64_t first_channel) {
        const auto lane = static_cast<int>(threadIdx.x) % warp_size;
        const int output = static_cast<int>(threadIdx.x) / warp_size * output_tile + lane / 4;
        const bf16* from = args.weight + output * args.weight_stride + first_channel + lane % 4 * 8;
#pragma unroll
        for (int k = 0; k < Steps; ++k) {
            low[k] = load_once(from + k * channel_step);
            high[k] = load_once(from + row_tile * args.weight_stride + k * channel_step);
        }
    }
    // Eight rows of x from `rows` on.
    __device__ void multiply(const bf16* rows, int stride, float (&sums)[4]) const {
        const auto lane = static_cast<int>(threadIdx.x) % warp_size;
        const bf16* own = rows + lane / 4 * stride + lane % 4 * 8;
        float odd[4] = {};
#pragma unroll
        for (int k = 0; k < Steps; ++k) {
            const uint4 x = *reinterpret_cast<const uint4*>(own + k * channel_step);
            multiply_add(sums, {{low[k].x, high[k].x, low[k].y, high[k].y}}, {{x.x, x.y}});
            multiply_add(odd, {{low[k].z, high[k].z, low[k].w, high[k].w}}, {{x.z, x.w}});
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[e] += odd[e];
    }
};

// What comes into the convolution of four channels, times the factor of the row's norm.
template <int Steps>
__device__ Four normed(const ConvShared<Steps>& shared, const Quad& at, const Pack<bf16, 4>& in) {
    Four value = widen(in);
#pragma unroll
    for (int e = 0; e < 4; ++e) value.values[e] *= shared.factor[at.row];
    return value;
}

// x of the block's rows and channels, into shared memory.
template <int Steps>
__device__ void convolve_block(ConvShared<Steps>& shared, int rows,
                               const Pack<bf16, 4> (&in)[max_quads]) {
#pragma unroll
    for (int i = 0; i < max_quads; ++i) {
        const Quad at = quad_of<Steps>(i, rows);
        if (at.row >= block_rows) break;
        Four sum{};
        if (at.present) {
            sum = load_four(shared.bias + at.column);
#pragma unroll
            for (int k = 0; k < taps; ++k) {
                const Four weight = load_four(shared.weight[k] + at.column);
                const Four value = k < taps - 1 ? load_four(&shared.history[k][at.row][at.column])
                                                : normed(shared, at, in[i]);
#pragma unroll
                for (int e = 0; e < 4; ++e) sum.values[e] += weight.values[e] * value.values[e];
            }
#pragma unroll
            for (int e = 0; e < 4; ++e) sum.values[e] = silu<bf16>(sum.values[e]);
        }
        store_four(&shared.x[at.row][at.column], sum);
    }
}

// x for those who come after, and the histories moved on.
template <int Steps>
__device__ void write_block(const ConvShared<Steps>& shared, const ConvRowsArgs& args,
                            const StateTable& histories, std::int64_t first_row, int rows,
                            std::int64_t first_channel, const Pack<bf16, 4> (&in)[max_quads]) {
#pragma unroll
    for (int i = 0; i < max_quads; ++i) {
        const Quad at = quad_of<Steps>(i, rows);
        if (!at.present) break;
        const std::int64_t row = first_row + at.row;
        *reinterpret_cast<Pack<bf16, 4>*>(args.out.row(row) + first_channel + at.column) =
            *reinterpret_cast<const Pack<bf16, 4>*>(&shared.x[at.row][at.column]);
        float* to = histories.data[row] + first_channel + at.column;
#pragma unroll
        for (int k = 1; k < taps - 1; ++k) {
            store_passing(to + (k - 1) * histories.stride,
                          load_four(&shared.history[k][at.row][at.column]));
        }
        store_passing(to + (taps - 2) * histories.stride, normed(shared, at, in[i]));
    }
}

#if __CUDA_ARCH__ >= 900

// The factors of the block's rows, each by a few of its first threads.
class BlockFactor {
public:
    __device__ BlockFactor(const RowSquares& squares, std::int64_t first_row)
        : squares_(squares), factor_(squares, first_row + row()) {}
    // Into shared memory, and for those who come after.
    __device__ void share(float* shared, float* factors, std::int64_t first_row, int rows) const {
        if (threadIdx.x >= block_rows * factor_threads) return;
        const float value = factor_.value(squares_);
        if (threadIdx.x % factor_threads != 0) return;
        shared[row()] = value;
        if (factors != nullptr && row() < rows) factors[first_row + row()] = value;
    }

private:
    [[nodiscard]] static __device__ int row() {
        return static_cast<int>(threadIdx.x) / factor_threads % block_rows;
    }
    const RowSquares& squares_;
    RowFactor<factor_threads> factor_;
};

// Hands a warp's sums [output_tile, row_tile] to the block of the cluster that adds up their outputs.
__device__ void hand_over(float* exchange, const float (&sums)[4], int share, int first_row) {
    const auto thread = static_cast<int>(threadIdx.x);
    const int row = first_row + operand_column();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int output = thread / warp_size * output_tile + operand_row() + half * row_tile;
        const int owner = output / share;
        float* place =
            exchange + (cluster_rank() * share + output - owner * share) * block_rows + row;
        store_remote(place, owner, sums[2 * half], sums[2 * half + 1]);
    }
}

#endif

template <int Steps>
__global__ __launch_bounds__(project_threads) void convolve_project(ConvProjectRowsArgs args,
                                                                    StateTable histories,
                                                                    std::int64_t rows) {
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(16) unsigned char memory[];
    auto& shared = *reinterpret_cast<ConvShared<Steps>*>(memory);
    // [cluster_blocks, outputs / cluster_blocks, block_rows]
    auto* exchange = reinterpret_cast<float*>(memory + sizeof shared);
    const std::int64_t first_channel = std::int64_t{blockIdx.x} * shared.channels;
    const std::int64_t first_row = std::int64_t{blockIdx.y} * block_rows;
    const auto left = static_cast<int>(rows - first_row);
    arrive_at_cluster();
    OutputWeights<Steps> weights;
    const auto ask = [&] {
        ask_conv(shared, args.conv, histories, first_row, left, first_channel);
        weights.ask(args, first_channel);
    };
    if (args.starts_early) ask();
    wait_for_predecessor();
    const BlockFactor asked(args.conv.squares, first_row);
    Pack<bf16, 4> in[max_quads] = {};
#pragma unroll
    for (int i = 0; i < max_quads; ++i) {
        const Quad at = quad_of<Steps>(i, left);
        if (!at.present) break;
        in[i] = *reinterpret_cast<const Pack<bf16, 4>*>(args.conv.in.row(first_row + at.row) +
                                                        first_channel + at.column);
    }
    if (!args.starts_early) ask();
    let_successor_start();
    asked.share(shared.factor, blockIdx.x == 0 ? args.conv.factors : nullptr, first_row, left);
    wait_copy_groups<0>();
    __syncthreads();
    convolve_block(shared, left, in);
    __syncthreads();
    const int share = args.outputs / cluster_blocks;
    float sums[block_rows / row_tile][4] = {};
#pragma unroll
    for (int tile = 0; tile < block_rows / row_tile; ++tile) {
        weights.multiply(shared.x[tile * row_tile], shared.stride, sums[tile]);
    }
    wait_for_cluster();  // all its blocks are there
#pragma unroll
    for (int tile = 0; tile < block_rows / row_tile; ++tile) {
        hand_over(exchange, sums[tile], share, tile * row_tile);
    }
    arrive_at_cluster();
    write_block(shared, args.conv, histories, first_row, left, first_channel, in);
    wait_for_cluster();  // all sums are there
    const std::int64_t part = blockIdx.x / cluster_blocks;
    for (int i = threadIdx.x; i < share * block_rows; i += static_cast<int>(blockDim.x)) {
        const int row = i / share;
        const int output = i % share;
        float sum = 0.0F;
#pragma unroll
        for (int k = 0; k < cluster_blocks; ++k) {
            sum += exchange[(k * share + output) * block_rows + row];
        }
        if (row >= left) break;
        args.sums.row(part * rows + first_row + row)[cluster_rank() * share + output] = sum;
    }
#endif
}

// run.template operator()<Steps>() for the steps that have a kernel, those of the public models.
template <typename Run>
void for_conv_steps(std::int64_t d_inner, const Run& run) {
    switch (d_inner / (slices * channel_step)) {
        case 3: return run.template operator()<3>();
        case 4: return run.template operator()<4>();
        case 6: return run.template operator()<6>();
        case 8: return run.template operator()<8>();
        case 10: return run.template operator()<10>();
        default: return;
    }
}

[[nodiscard]] unsigned threads_for(std::int64_t outputs) {
    return static_cast<unsigned>(outputs / output_tile * warp_size);
}

template <int Steps>
[[nodiscard]] std::size_t shared_bytes(std::int64_t outputs) {
    return sizeof(ConvShared<Steps>) +
           sizeof(float) * block_rows * static_cast<std::size_t>(outputs);
}

}  // namespace

void conv_rows(const ConvRowsArgs& args, const StateTable& histories, std::int64_t rows,
               cudaStream_t s) {
    launch(s, dim3(blocks_for(args.d_inner, conv_threads * 4), static_cast<unsigned>(rows)),
           conv_threads, 0, convolve_rows, args, histories);
}

bool fits_conv_project(std::int64_t d_inner, std::int64_t outputs, const RowsDevice& device) {
    if (!device.clusters || outputs % output_tile != 0 || outputs > conv_project_outputs) {
        return false;
    }
    bool fits = false;
    for_conv_steps(d_inner, [&]<int Steps>() {
        const std::int64_t quads = std::int64_t{block_rows} * ConvShared<Steps>::channels / 4;
        fits = d_inner == Steps * slices * channel_step &&
               quads <= max_quads * std::int64_t{threads_for(outputs)} &&
               threads_for(outputs) >= unsigned{block_rows * factor_threads} &&
               shared_bytes<Steps>(outputs) <= static_cast<std::size_t>(device.shared_bytes);
    });
    return fits;
}

void conv_project_rows(const ConvProjectRowsArgs& args, const StateTable& histories,
                       std::int64_t rows, cudaStream_t s) {
    for_conv_steps(args.conv.d_inner, [&]<int Steps>() {
        const auto kernel = convolve_project<Steps>;
        const std::size_t bytes = shared_bytes<Steps>(args.outputs);
        allow_shared(kernel, bytes);
        launch_clusters(s, cluster_blocks, dim3(slices, blocks_for(rows, block_rows)),
                        threads_for(args.outputs), bytes, kernel, args, histories, rows);
    });
}

}  // namespace sipo::cuda
