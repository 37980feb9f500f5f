// Copies with a change of type, gathers, scatters, and row biases.
#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;

// A thread a pack of `Width` columns; blockIdx.y strides over the rows. Op(row, first column).
template <int Width, typename Op>
__global__ void for_elements(Op op, std::int64_t rows, std::int64_t cols) {
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t col = (std::int64_t{blockIdx.x} * threads + threadIdx.x) * Width;
    if (col >= cols) return;
    for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) op(row, col);
}

template <int Width, typename Op>
void run(const Op& op, std::int64_t rows, std::int64_t cols, cudaStream_t s) {
    if (rows == 0 || cols == 0) return;
    const dim3 grid(blocks_for(cols, std::int64_t{threads} * Width),
                    static_cast<unsigned>(rows < 65535 ? rows : 65535));
    launch(s, grid, threads, 0, for_elements<Width, Op>, op, rows, cols);
}

template <typename From, typename To, int Width>
struct Copy {
    Rows<From> from;
    Rows<To> to;
    const std::int64_t* index;
    __device__ void operator()(std::int64_t row, std::int64_t col) const {
        const std::int64_t source = index != nullptr ? index[row] : row;
        const auto in = *reinterpret_cast<const Pack<From, Width>*>(from.row(source) + col);
        Pack<To, Width> out;
#pragma unroll
        for (int i = 0; i < Width; ++i) out.values[i] = from_float<To>(to_float(in.values[i]));
        *reinterpret_cast<Pack<To, Width>*>(to.row(row) + col) = out;
    }
};

template <int Width>
struct Scatter {
    Rows<float> from;
    StateTable to;
    __device__ void operator()(std::int64_t row, std::int64_t col) const {
        *reinterpret_cast<Pack<float, Width>*>(to.data[row] + col) =
            *reinterpret_cast<const Pack<float, Width>*>(from.row(row) + col);
    }
};

template <typename T>
struct Add {
    Rows<T> inout;
    Rows<float> other;  // stride 0: one row for all
    __device__ void operator()(std::int64_t row, std::int64_t col) const {
        T& to = inout.row(row)[col];
        to = from_float<T>(to_float(to) + other.row(row)[col]);
    }
};

template <typename From, typename To>
void copy_or_gather(Rows<From> from, const std::int64_t* index, Rows<To> to, std::int64_t rows,
                    std::int64_t cols, cudaStream_t s) {
    // Wide for the larger element: the smaller one's pack is then 8 or 16 bytes.
    constexpr int width = sizeof(From) > sizeof(To) ? wide<From> : wide<To>;
    if (is_wide(from, cols) && is_wide(to, cols)) {
        run<width>(Copy<From, To, width>{from, to, index}, rows, cols, s);
    } else {
        run<1>(Copy<From, To, 1>{from, to, index}, rows, cols, s);
    }
}

}  // namespace

template <typename From, typename To>
void copy_rows(Rows<From> from, Rows<To> to, std::int64_t rows, std::int64_t cols, cudaStream_t s) {
    copy_or_gather(from, nullptr, to, rows, cols, s);
}
template void copy_rows(Rows<float>, Rows<float>, std::int64_t, std::int64_t, cudaStream_t);
template void copy_rows(Rows<float>, Rows<bf16>, std::int64_t, std::int64_t, cudaStream_t);
template void copy_rows(Rows<bf16>, Rows<float>, std::int64_t, std::int64_t, cudaStream_t);
template void copy_rows(Rows<bf16>, Rows<bf16>, std::int64_t, std::int64_t, cudaStream_t);

template <typename T>
void gather_rows(Rows<T> from, const std::int64_t* index, Rows<T> to, std::int64_t rows,
                 std::int64_t cols, cudaStream_t s) {
    copy_or_gather(from, index, to, rows, cols, s);
}
template void gather_rows(Rows<float>, const std::int64_t*, Rows<float>, std::int64_t, std::int64_t,
                          cudaStream_t);
template void gather_rows(Rows<bf16>, const std::int64_t*, Rows<bf16>, std::int64_t, std::int64_t,
                          cudaStream_t);

void scatter_rows(Rows<float> from, const StateTable& to, std::int64_t rows, std::int64_t cols,
                  cudaStream_t s) {
    // Whole buffers begin on borders of 16 bytes.
    if (is_wide(from, cols)) {
        run<wide<float>>(Scatter<wide<float>>{from, to}, rows, cols, s);
    } else {
        run<1>(Scatter<1>{from, to}, rows, cols, s);
    }
}

template <typename T>
void add_bias(Rows<T> inout, const float* bias, std::int64_t rows, std::int64_t cols,
              cudaStream_t s) {
    run<1>(Add<T>{inout, {const_cast<float*>(bias), 0}}, rows, cols, s);
}
template void add_bias(Rows<float>, const float*, std::int64_t, std::int64_t, cudaStream_t);
template void add_bias(Rows<bf16>, const float*, std::int64_t, std::int64_t, cudaStream_t);

}  // namespace sipo::cuda
