// Products of one to four rows: decoding. Every weight is read once, and that is all the time there
// is, so the kernel is about reading: sixteen weights a lane and step, several steps under way, and
// the first of them asked for before the predecessor in the stream has ended, since weights do not
// depend on it. The inputs wait in shared memory as floats.
//
// A warp computes an output at a time and strides over them, so that a block's inputs are staged
// once.
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "weights.cuh"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / warp_size;
constexpr int step = warp_size * weights_at_once;  // weights a warp takes at once
constexpr int ahead = 4;                           // steps under way

template <typename Out>
__device__ void finish_product(const GemvFinish& finish, float product, std::int64_t output,
                               Out& out) {
    if (finish.kind == Finish::add) {
        out = from_float<Out>(to_float(out) + product);
    } else if (finish.kind == Finish::softplus) {
        const float value = softplus<float>(product + finish.bias[output]);
        out = from_float<Out>(clamp_keeping_nan(value, finish.low, finish.high));
    } else {
        out = from_float<Out>(product);
    }
}

// The loads of `ahead` steps of a row; nothing past its end.
template <DType Type>
struct Ahead {
    typename WeightReader<Type>::Raw raw[ahead];
    __device__ void load(const Weights& w, std::int64_t row, std::int64_t first) {
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            const std::int64_t col = first + std::int64_t{i} * step;
            if (row < w.rows && col < w.stride) WeightReader<Type>::load(w, row, col, raw[i]);
        }
    }
};

// The inputs lie so that the lanes of a warp, each reading four floats of its sixteen, touch all
// banks: quarter q of lane l's sixteen at [q][l].
__device__ inline int input_place(int col) {
    const int in_step = col % step;
    const int lane = in_step / weights_at_once;
    const int quarter = in_step % weights_at_once / 4;
    return col / step * step + (quarter * warp_size + lane) * 4 + col % 4;
}

template <typename T, typename Out, DType Type, int Count>
__global__ __launch_bounds__(threads) void gemv_rows(Rows<T> in, Weights w, GemvFinish finish,
                                                     Rows<Out> out, int padded) {
    extern __shared__ __align__(16) float inputs[];  // [Count][padded], placed
    const int lane = threadIdx.x % warp_size;
    const std::int64_t all_warps = std::int64_t{gridDim.x} * warps;
    std::int64_t output = std::int64_t{blockIdx.x} * warps + threadIdx.x / warp_size;
    const std::int64_t own = lane * weights_at_once;
    Ahead<Type> next;
    next.load(w, output, own);
    wait_for_predecessor();
    let_successor_start();
#pragma unroll
    for (int r = 0; r < Count; ++r) {
        for (int c = threadIdx.x; c < padded; c += threads) {
            inputs[r * padded + input_place(c)] = c < w.cols ? to_float(in.row(r)[c]) : 0.0F;
        }
    }
    __syncthreads();
    for (; output < w.rows; output += all_warps) {
        float sums[Count] = {};
        for (std::int64_t first = 0; first < w.stride; first += ahead * step) {
            const Ahead<Type> now = next;
            const bool more = first + ahead * step < w.stride;
            next.load(w, more ? output : output + all_warps,
                      more ? first + ahead * step + own : own);
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                const std::int64_t start = first + std::int64_t{i} * step;
                if (start + own >= w.stride) continue;
#pragma unroll
                for (int r = 0; r < Count; ++r) {
                    const float* x = inputs + r * padded + start + lane * 4;
#pragma unroll
                    for (int q = 0; q < 4; ++q) {
                        const auto four =
                            *reinterpret_cast<const Pack<float, 4>*>(x + q * warp_size * 4);
#pragma unroll
                        for (int e = 0; e < 4; ++e) {
                            sums[r] +=
                                WeightReader<Type>::at(now.raw[i], 4 * q + e) * four.values[e];
                        }
                    }
                }
            }
        }
#pragma unroll
        for (int r = 0; r < Count; ++r) {
            const float product = warp_sum(sums[r]);
            if (lane == 0) finish_product(finish, product, output, out.row(r)[output]);
        }
    }
}

// Blocks that fill the chip: 2,048 threads a multiprocessor, fewer where outputs are few.
unsigned fair_blocks(std::int64_t outputs) {
    int device = 0;
    int processors = 0;
    check(cudaGetDevice(&device), "the current device");
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
          "the number of multiprocessors");
    const unsigned wanted = blocks_for(outputs, warps);
    const unsigned most = static_cast<unsigned>(processors) * 4;
    return wanted < most ? wanted : most;
}

template <typename T, typename Out, DType Type, int Count>
void run(Rows<T> in, const Weights& weights, const GemvFinish& finish, Rows<Out> out,
         cudaStream_t s) {
    const int padded = static_cast<int>((weights.stride + step - 1) / step * step);
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(padded) * Count;
    allow_shared(gemv_rows<T, Out, Type, Count>, bytes);
    launch(s, fair_blocks(weights.rows), threads, bytes, gemv_rows<T, Out, Type, Count>, in,
           weights, finish, out, padded);
}

}  // namespace

template <typename T, typename Out>
void gemv(Rows<T> in, const Weights& weights, std::int64_t rows, const GemvFinish& finish,
          Rows<Out> out, cudaStream_t s) {
    for_type(weights, [&]<DType Type>() {
        for (std::int64_t r = 0; r < rows;) {
            const Rows<T> part_in{in.row(r), in.stride};
            const Rows<Out> part_out{out.row(r), out.stride};
            if (rows - r >= 4) {
                run<T, Out, Type, 4>(part_in, weights, finish, part_out, s);
                r += 4;
            } else if (rows - r >= 2) {
                run<T, Out, Type, 2>(part_in, weights, finish, part_out, s);
                r += 2;
            } else {
                run<T, Out, Type, 1>(part_in, weights, finish, part_out, s);
                r += 1;
            }
        }
    });
}
template void gemv(Rows<float>, const Weights&, std::int64_t, const GemvFinish&, Rows<float>,
                   cudaStream_t);
template void gemv(Rows<float>, const Weights&, std::int64_t, const GemvFinish&, Rows<bf16>,
                   cudaStream_t);
template void gemv(Rows<bf16>, const Weights&, std::int64_t, const GemvFinish&, Rows<float>,
                   cudaStream_t);
template void gemv(Rows<bf16>, const Weights&, std::int64_t, const GemvFinish&, Rows<bf16>,
                   cudaStream_t);

}  // namespace sipo::cuda
