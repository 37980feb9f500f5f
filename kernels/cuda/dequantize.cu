// Weights back to elements: whole matrices for the tensor cores, single rows for the embedding.
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"
#include "weights.cuh"

namespace sipo::cuda {
namespace {

constexpr int threads = 128;

// The row of the table for each row of the result, where they are the same.
struct SameRows {
    __device__ std::int64_t operator[](unsigned row) const { return row; }
};

// Sixteen weights a thread.
template <DType Type, typename Source, typename Out>
__global__ void read_rows(Weights w, Source rows, Rows<Out> out) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t col = (std::int64_t{blockIdx.y} * threads + threadIdx.x) * weights_at_once;
    if (col >= w.cols) return;
    const std::int64_t row = rows[blockIdx.x];
    typename WeightReader<Type>::Raw raw;
    WeightReader<Type>::load(w, row, col, raw);
    Out* to = out.row(blockIdx.x) + col;
    for (int i = 0; i < weights_at_once && col + i < w.cols; ++i) {
        to[i] = from_float<Out>(WeightReader<Type>::at(raw, i));
    }
}

template <typename Source, typename Out>
void run(const Weights& weights, const Source& rows, std::int64_t count, Rows<Out> out,
         cudaStream_t s) {
    if (count == 0) return;
    for_type(weights, [&]<DType Type>() {
        const dim3 grid(static_cast<unsigned>(count),
                        blocks_for(weights.cols, threads * weights_at_once));
        launch(s, grid, threads, 0, read_rows<Type, Source, Out>, weights, rows, out);
    });
}

}  // namespace

void dequantize(const Weights& weights, bf16* out, std::int64_t out_stride, cudaStream_t s) {
    run(weights, SameRows{}, weights.rows, Rows<bf16>{out, out_stride}, s);
}

void embed(const Weights& table, const std::int32_t* ids, Rows<float> out, std::int64_t rows,
           cudaStream_t s) {
    run(table, ids, rows, out, s);
}

void embed(const Weights& table, const FewIds& ids, Rows<float> out, std::int64_t rows,
           cudaStream_t s) {
    run(table, ids, rows, out, s);
}

}  // namespace sipo::cuda
