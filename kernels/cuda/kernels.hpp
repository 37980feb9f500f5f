// The kernels' entry points: each enqueues one operation of the backend interface on a CUDA stream.
// A kernel file holds the operation's kernels and its launcher; cuda_stream.cpp calls these.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "base/ranking.hpp"

namespace sipo::cuda {

// Rows of a matrix in device memory: element (r, c) is data[r * stride + c].
template <typename T>
struct Rows {
    T* data = nullptr;
    std::int64_t stride = 0;
    __host__ __device__ T* row(std::int64_t r) const { return data + r * stride; }
};

// The states of a batch, passed by value. All have one shape.
inline constexpr int max_states = 64;
struct StateTable {
    float* data[max_states] = {};
    std::int64_t stride = 0;
};

// What Δ and the recurrence have of a Mamba-1 layer. Weight: dt_proj's.
template <typename Weight>
struct Mamba1Tables {
    const Weight* dt_weight;  // [d_inner, dt_rank]
    std::int64_t dt_stride;
    const float* dt_bias;  // [d_inner]
    float low;
    float high;
    const float* a;  // [d_state, d_inner]
    std::int64_t a_stride;
    const float* d;  // [d_inner]
};

// The squares of rows, as sums over parts of their columns. They stand for the factor of an RMS norm
// that is still to be multiplied with: 1 / √(mean square + eps), or 1 where there are no parts.
struct RowSquares {
    static constexpr int max_parts = 32;
    const float* sums = nullptr;  // [parts, max_states]
    int parts = 0;
    float inverse_width = 0.0F;
    float eps = 0.0F;
};

// Whether rows of `cols` elements can be read 16 bytes at a time.
template <typename T>
[[nodiscard]] bool is_wide(const Rows<T>& rows, std::int64_t cols) {
    const auto address = reinterpret_cast<std::uintptr_t>(rows.data);
    constexpr std::int64_t width = 16 / static_cast<std::int64_t>(sizeof(T));
    return address % 16 == 0 && rows.stride % width == 0 && cols % width == 0;
}

// elementwise.cu: to = from, fill, row bias.
template <typename From, typename To>
void copy_rows(Rows<From> from, Rows<To> to, std::int64_t rows, std::int64_t cols, cudaStream_t s);
// to[i] = from[index[i]]
template <typename T>
void gather_rows(Rows<T> from, const std::int64_t* index, Rows<T> to, std::int64_t rows,
                 std::int64_t cols, cudaStream_t s);
// Row i into the row that `to` has for it.
void scatter_rows(Rows<float> from, const StateTable& to, std::int64_t rows, std::int64_t cols,
                  cudaStream_t s);
template <typename T>
void add_bias(Rows<T> inout, const float* bias, std::int64_t rows, std::int64_t cols,
              cudaStream_t s);

// norm.cu
template <typename T>
void rms_norm(Rows<float> in, const float* weight, float eps, Rows<T> out, std::int64_t rows,
              std::int64_t cols, cudaStream_t s);
template <typename T>
void gated_norm(Rows<T> y, Rows<T> z, const std::int64_t* index, const float* weight, float eps,
                std::int64_t rows, std::int64_t cols, std::int64_t n_groups, cudaStream_t s);

// conv.cu. weight [taps, channels]; history [taps - 1, channels].
template <typename T>
struct ConvArgs {
    Rows<T> in;
    Rows<T> out;
    const float* weight;
    std::int64_t weight_stride;
    const float* bias;  // may be null
    std::int64_t taps;
    std::int64_t channels;
    std::int64_t tokens;
};
// One sequence of any length.
template <typename T>
void conv_silu(const ConvArgs<T>& args, Rows<float> history, cudaStream_t s);
// Row i continues sequence i.
template <typename T>
void conv_silu_step(const ConvArgs<T>& args, const StateTable& histories, cudaStream_t s);

// delta.cu: out = clamp(softplus(in + bias)).
template <typename From, typename To>
void softplus_bias(Rows<From> in, const float* bias, float low, float high, Rows<To> out,
                   std::int64_t rows, std::int64_t cols, cudaStream_t s);
// scores[t] = ‖delta[t]‖₂
template <typename T>
void token_scores(Rows<T> delta, std::int64_t rows, std::int64_t cols, float* scores,
                  cudaStream_t s);

// select.cu: the `count` highest scores' indices, ascending, in `kept`. Of equal scores the earlier.
// With scratch null only says in scratch_bytes what it needs.
void select_top(const float* scores, std::int64_t tokens, std::int64_t count, std::int64_t* kept,
                void* scratch, std::size_t& scratch_bytes, cudaStream_t s);

// selective_scan.cu (Mamba-1) and head_scan.cu (Mamba-2). D: the type of Δ.
template <typename T, typename D>
struct ScanArgs {
    Rows<T> x;  // [tokens, d_inner]
    Rows<D> delta;
    Rows<T> b;
    Rows<T> c;
    Rows<T> z;                  // Mamba-1
    Rows<T> y;                  // [visited, d_inner]
    const std::int64_t* index;  // visited rows; null: all
    std::int64_t tokens;        // visited
    const float* a;             // Mamba-1 [d_state, d_inner], Mamba-2 [n_heads]
    std::int64_t a_stride;      // Mamba-1
    const float* d;             // [d_inner], [n_heads]
    const float* threshold;     // null: Δ as it is
    const float* scale;
    std::int64_t d_inner;
    std::int64_t d_state;
    std::int64_t n_heads;
    std::int64_t head_dim;
    std::int64_t n_groups;
};
template <typename T>
void selective_scan(const ScanArgs<T, T>& args, Rows<float> state, cudaStream_t s);
template <typename T>
void selective_scan_step(const ScanArgs<T, T>& args, const StateTable& states, cudaStream_t s);
template <typename T>
void head_scan(const ScanArgs<T, float>& args, Rows<float> state, cudaStream_t s);
template <typename T>
void head_scan_step(const ScanArgs<T, float>& args, const StateTable& states, cudaStream_t s);

// gemv.cu: products of a few rows, bound by the reading of the weights.
inline constexpr std::int64_t gemv_max_rows = 4;
// A weight matrix as it lies on the device. q8: int8 codes and a bf16 scale a block of 32; q4: two
// codes a byte and bf16 scale and offset a block.
struct Weights {
    const void* codes;    // or the elements
    const void* scales;   // bf16 [rows, blocks], or [rows, blocks, 2]
    std::int64_t rows;    // outputs
    std::int64_t cols;    // inputs
    std::int64_t stride;  // elements a row takes, a multiple of what is read at once
    int type;             // of base/dtype.hpp
};
// What becomes of a product.
enum class Finish : int { store, add, softplus };
struct GemvFinish {
    Finish kind = Finish::store;
    const float* bias = nullptr;  // softplus: out = clamp(softplus(product + bias))
    float low = 0.0F;
    float high = 0.0F;
};
template <typename T, typename Out>
void gemv(Rows<T> in, const Weights& weights, std::int64_t rows, const GemvFinish& finish,
          Rows<Out> out, cudaStream_t s);

// dequantize.cu
// out [rows, out_stride] of the elements of a quantised matrix.
void dequantize(const Weights& weights, __nv_bfloat16* out, std::int64_t out_stride,
                cudaStream_t s);
// out[t] = table[ids[t]]; ids on the device.
void embed(const Weights& table, const std::int32_t* ids, Rows<float> out, std::int64_t rows,
           cudaStream_t s);
// Those of a step go with the launch: a copy of its own takes longer than the rest.
struct FewIds {
    static constexpr std::int64_t most = 64;
    std::int32_t id[most];
    __host__ __device__ std::int32_t operator[](unsigned row) const { return id[row]; }
};
void embed(const Weights& table, const FewIds& ids, Rows<float> out, std::int64_t rows,
           cudaStream_t s);

// A logit and its index: logit_key.cuh.
using LogitKey = unsigned long long;
// likeliest.cu: a key for each part of each row, [rows, likeliest_parts], rows up to 65,535. `keys`
// may be pinned memory of the host.
inline constexpr int likeliest_parts = 8;
void likeliest(Rows<float> logits, std::int64_t rows, std::int64_t cols, LogitKey* keys,
               cudaStream_t s);
// The index of the largest of the row with these keys [likeliest_parts], on the host; -1 when that
// is not finite, or there is none.
[[nodiscard]] std::int32_t token_of(const LogitKey* keys);

// rank.cu: what rank_tokens() gives of a row, with `count` up to max_ranked. `out` may be pinned memory
// of the host. None is listed where too many come near the likeliest.
inline constexpr std::int64_t max_ranked = 256;
struct RankedRow {
    double weight;
    int numbers;
    int listed;
    LogitKey keys[max_ranked];
};
void rank(const float* row, std::int64_t cols, int count, double temperature, RankedRow* out,
          cudaStream_t s);
void read_ranking(const RankedRow& row, Ranking& ranking);  // on the host

// loss.cu: out[t] = ln Σ exp(logits[t]) − logits[t][targets[t]].
void negative_log_likelihood(Rows<float> logits, const std::int32_t* targets, std::int64_t rows,
                             std::int64_t cols, float* out, cudaStream_t s);

}  // namespace sipo::cuda
