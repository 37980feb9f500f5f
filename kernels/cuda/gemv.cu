// Products of one to four rows: one sequence decodes, or a few with weights that cuBLAS does not take
// as they are. Every weight is read once, and that is all the time there is, so the kernel is about
// reading: sixteen weights a lane and step, several steps under way, and
// the first of them asked for before the predecessor in the stream has ended, since weights do not
// depend on it. The inputs wait in shared memory as floats.
//
// A warp computes an output at a time and strides over them, so that a block's inputs are staged
// once.
#include "gemv.cuh"

namespace sipo::cuda {
namespace {

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

template <typename T, typename Out, DType Type, int Count, int Steps>
__global__ __launch_bounds__(gemv_threads) void gemv_rows(Rows<T> in, Weights w, GemvFinish finish,
                                                          Rows<Out> out, int padded) {
    extern __shared__ __align__(16) float inputs[];  // [Count][padded], placed
    const int lane = threadIdx.x % warp_size;
    RowPart<Type, Steps> part;
    part.load(w, first_output(), 0);
    wait_for_predecessor();
    let_successor_start();
#pragma unroll
    for (int r = 0; r < Count; ++r) {
        const T* row = in.row(r);
        for (int c = threadIdx.x * 4; c < padded; c += gemv_threads * 4) {
            Pack<float, 4> four;
#pragma unroll
            for (int e = 0; e < 4; ++e)
                four.values[e] = c + e < w.cols ? to_float(row[c + e]) : 0.0F;
            *reinterpret_cast<Pack<float, 4>*>(&inputs[r * padded + input_place(c)]) = four;
        }
    }
    __syncthreads();
    for_products<Type, Count, Steps>(
        w, inputs, padded, part, [&](std::int64_t output, const float* sums) {
    // Lane r finishes row r, so that the rows' reads and stores go together.
#pragma unroll
            for (int r = 0; r < Count; ++r) {
                if (lane == r) finish_product(finish, sums[r], output, out.row(r)[output]);
            }
        });
}

template <typename T, typename Out, DType Type, int Count>
void run(Rows<T> in, const Weights& weights, const GemvFinish& finish, Rows<Out> out,
         cudaStream_t s) {
    const int padded = padded_inputs(weights);
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(padded) * Count;
    for_steps(weights, [&]<int Steps>() {
        const auto kernel = gemv_rows<T, Out, Type, Count, Steps>;
        allow_shared(kernel, bytes);
        launch(s, gemv_blocks(kernel, bytes, weights.rows), gemv_threads, bytes, kernel, in,
               weights, finish, out, padded);
    });
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
