// The backend interface: everything the model needs from a machine that computes.
//
// A backend is a folder under kernels/ that implements Backend and Stream over its own buffers. The
// model's blocks (impl/model) call the operations of a Stream in the order of the equations and
// know nothing else of the machine. Rules every backend keeps, and the tests hold it to:
//   * An operation computes each row of its output from the same inputs in the same order whatever
//     the number of rows or threads, so results do not depend on how a prompt is cut into chunks:
//     bit for bit on the CPU; a device whose library chooses its product by the number of rows
//     keeps it to rounding.
//   * The recurrence runs in float32. Δ = 0 leaves the state as it was, bit for bit (but −0
//     may become 0).
//   * Operations of one stream act in the order they were called; download() and likeliest() wait
//     for them.
// Shapes stand beside the views; all matrices are row-major, tokens first.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "base/ranking.hpp"

namespace sipo::backend {

// Memory of a backend: a matrix in the backend's own type and placement.
class Buffer {
public:
    Buffer(std::int64_t rows, std::int64_t cols) : rows_(rows), cols_(cols) {}
    virtual ~Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    [[nodiscard]] std::int64_t rows() const { return rows_; }
    [[nodiscard]] std::int64_t cols() const { return cols_; }

private:
    std::int64_t rows_;
    std::int64_t cols_;
};

using BufferPtr = std::unique_ptr<Buffer>;

// A window into a buffer. Shallow like a span: it does not own and does not guard constness.
struct View {
    Buffer* buffer = nullptr;
    std::int64_t row = 0;
    std::int64_t col = 0;
    std::int64_t rows = 0;
    std::int64_t cols = 0;

    View() = default;
    explicit View(Buffer& whole) : buffer(&whole), rows(whole.rows()), cols(whole.cols()) {}
    [[nodiscard]] View row_range(std::int64_t first, std::int64_t count) const {
        View part = *this;
        part.row += first;
        part.rows = count;
        return part;
    }
    [[nodiscard]] View col_range(std::int64_t first, std::int64_t count) const {
        View part = *this;
        part.col += first;
        part.cols = count;
        return part;
    }
};

// A weight matrix [rows = outputs, cols = inputs], packed as the backend likes. Immutable.
class Matrix {
public:
    Matrix(std::int64_t rows, std::int64_t cols) : rows_(rows), cols_(cols) {}
    virtual ~Matrix() = default;
    Matrix(const Matrix&) = delete;
    Matrix& operator=(const Matrix&) = delete;
    [[nodiscard]] std::int64_t rows() const { return rows_; }
    [[nodiscard]] std::int64_t cols() const { return cols_; }
    [[nodiscard]] virtual std::int64_t bytes() const = 0;

private:
    std::int64_t rows_;
    std::int64_t cols_;
};

using MatrixPtr = std::unique_ptr<Matrix>;

// A matrix of weights that may be uploaded.
struct MatrixSize {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    DType type = DType::f32;
};

// What a context method does to Δ inside the scan: Δ ← Δ > threshold ? Δ · scale : 0, per channel.
struct DeltaFilter {
    const Buffer* threshold = nullptr;  // [1, delta channels]; null: Δ as it is
    const Buffer* scale = nullptr;      // [1, delta channels]; given whenever threshold is
};

// Inputs of a scan over `tokens` rows, of which it visits only `rows` when those are given.
struct ScanInputs {
    View x;                     // [tokens, d_inner], after the convolution
    View delta;                 // [tokens, delta channels], after softplus
    View b;                     // [tokens, n_groups * d_state]
    View c;                     // [tokens, n_groups * d_state]
    const Buffer* a = nullptr;  // Mamba-1 [d_state, d_inner], Mamba-2 [1, n_heads]; negative
    const Buffer* d = nullptr;  // Mamba-1 [1, d_inner], Mamba-2 [1, n_heads]
    DeltaFilter filter;
    const std::vector<std::int64_t>* rows = nullptr;  // ascending; null: all
};

struct Mamba2Shape {
    std::int64_t n_heads = 0;
    std::int64_t head_dim = 0;
    std::int64_t n_groups = 0;
    std::int64_t d_state = 0;
};

// The most that a stream will be asked for, as far as the memory of its own depends on it.
struct StreamWork {
    std::int64_t rows = 1;                // of an operation
    std::int64_t logits = 1;              // rows of the head's product
    std::int64_t candidates = 0;          // of select_top()
    DType activations = DType::f32;       // between the products
    std::vector<const Matrix*> products;  // of `rows` rows
    const Matrix* head = nullptr;
    std::int64_t d_model = 0;  // columns that multiply_add() adds to
    std::int64_t d_inner = 0;  // of a scan, as the next
    std::int64_t d_state = 0;
    Mamba2Shape heads;  // of head_scan(); no heads: selective_scan() is called
};

// A Mamba-1 layer for Stream::step_mamba1(): its weights, and scratch for what lies between.
struct Mamba1Layer {
    const Buffer* norm = nullptr;
    float norm_eps = 0.0F;
    const Matrix* in_proj = nullptr;
    const Buffer* conv_weight = nullptr;
    const Buffer* conv_bias = nullptr;  // may be null
    const Matrix* x_proj = nullptr;
    const Matrix* dt_proj = nullptr;
    const Buffer* dt_bias = nullptr;
    float delta_min = 0.0F;
    float delta_max = 0.0F;
    const Buffer* a = nullptr;
    const Buffer* d = nullptr;
    const Matrix* out_proj = nullptr;
    View normed;
    View projected;
    View x;
    View dt_b_c;
    View y;
};

// The carried states of an operation's rows. One state: the rows are consecutive tokens of one
// sequence. As many as rows: row i is the next token of sequence i.
// Each state is a whole buffer.
using States = std::span<const View>;

// Stands for all buffers of one sequence. Who keeps it, keeps its address from standing for another's.
using Identity = std::shared_ptr<const void>;

// A queue of operations with the threads or the device queue that runs them. One thread at a time.
class Stream {
public:
    Stream() = default;
    virtual ~Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Zero-filled. `type` (f32 or bf16) is the precision that suffices: a backend may keep more.
    // What an operation reads or writes has one type, but for these, which are always f32: the
    // residual stream, the Δ of Mamba-2, states, scores, logits and losses.
    // Throws Code::out_of_memory with the size.
    [[nodiscard]] virtual BufferPtr allocate(std::int64_t rows, std::int64_t cols,
                                             DType type = DType::f32) = 0;
    virtual void upload(std::span<const float> values, View to) = 0;
    virtual void download(View from, std::span<float> values) = 0;
    virtual void copy(View from, View to) = 0;
    virtual void fill_zero(View to) = 0;

    // out[t] = table[ids[t]]; ids are in range. [tokens, d_model]
    virtual void embed(const Matrix& table, std::span<const std::int32_t> ids, View out) = 0;
    // out = in · rsqrt(mean(in²) + eps) · weight, per row; in is f32 and may be out. weight has at
    // least the row's elements. [tokens, d_model]
    virtual void rms_norm(View in, const Buffer& weight, float eps, View out) = 0;
    // out = in · matrixᵀ. [tokens, inputs] → [tokens, outputs]
    virtual void multiply(View in, const Matrix& matrix, View out) = 0;
    // rms_norm and the product of its result, in one. normed [tokens, d_model] is room for it.
    virtual void norm_multiply(View in, const Buffer& weight, float eps, View normed,
                               const Matrix& matrix, View out) {
        rms_norm(in, weight, eps, normed);
        multiply(normed, matrix, out);
    }
    // residual += in · matrixᵀ
    virtual void multiply_add(View in, const Matrix& matrix, View residual) = 0;
    // out[t] = SiLU(bias + Σ_k weight[k] · in[t − (d_conv − 1) + k]), per channel. `state` holds
    // the d_conv − 1 inputs before row 0 and is moved on. weight [d_conv, channels], bias may be
    // null.
    virtual void causal_conv_silu(View in, const Buffer& weight, const Buffer* bias, States states,
                                  View out) = 0;
    // out = clamp(softplus(dt · dt_projᵀ + bias), low, high); dt_proj may be null (Mamba-2).
    virtual void delta(View dt, const Matrix* dt_proj, const Buffer& bias, float low, float high,
                       View out) = 0;
    // scores[t] = ‖delta[t]‖₂. scores [1, tokens]
    virtual void token_scores(View delta, View scores) = 0;
    // The `count` highest of the scores in ascending order of index; of equal ones the earlier.
    [[nodiscard]] virtual std::vector<std::int64_t> select_top(View scores, std::int64_t count) = 0;
    // to[i] = from[rows[i]]; the buffers differ.
    virtual void gather_rows(View from, std::span<const std::int64_t> rows, View to) = 0;
    // to[i] = from[i]: each row into a buffer of its own, [1, cols] f32.
    virtual void scatter_rows(View from, States to) = 0;
    // Mamba-1: h ← exp(Δ A) ⊙ h + Δ x ⊗ B; y = (h C + D ⊙ x) ⊙ SiLU(z).
    // state [d_state, d_inner]; z like x; y [visited rows, d_inner].
    virtual void selective_scan(const ScanInputs& in, View z, States states, View y) = 0;
    // Mamba-2: the same with scalar A and D per head and without the gate.
    // state [n_heads * d_state, head_dim]; y [visited rows, d_inner].
    virtual void head_scan(const ScanInputs& in, const Mamba2Shape& shape, States states,
                           View y) = 0;
    // y ← RMS(y ⊙ SiLU(z)) · weight over n_groups equal parts of a row, in place. z is read at
    // `rows` when given.
    virtual void gated_norm(View y, View z, const std::vector<std::int64_t>* rows,
                            const Buffer& weight, float eps, std::int64_t n_groups) = 0;
    // out[t] = −ln softmax(logits[t])[targets[t]]. logits [tokens, vocab_size]; out [1, tokens]
    virtual void negative_log_likelihood(View logits, std::span<const std::int32_t> targets,
                                         View out) = 0;
    // tokens[t] = the index of the largest of logits[t], the first of equal ones; a NaN loses
    // against every number. -1 when the largest is not finite, or there is none. Waits for the
    // result as download() does, once for all rows. logits [tokens, vocab_size]
    virtual void likeliest(View logits, std::span<std::int32_t> tokens) = 0;
    // What rank_tokens() gives of a row of logits [1, vocab_size], where they are: less than fetching
    // them. `best` may be shorter than `count`. False: nothing is done.
    [[nodiscard]] virtual bool rank(View logits, std::int64_t count, double temperature,
                                    Ranking& ranking) {
        (void)logits, (void)count, (void)temperature, (void)ranking;
        return false;
    }
    // A whole layer, the operations from rms_norm to multiply_add, for rows that are the next tokens
    // of as many sequences: for backends on which a launch costs as much as a step's work. False:
    // nothing is done, and the operations have to be called one by one.
    [[nodiscard]] virtual bool step_mamba1(const Mamba1Layer& layer, View residual,
                                           States conv_states, States ssm_states) {
        (void)layer, (void)residual, (void)conv_states, (void)ssm_states;
        return false;
    }
    // Row bias: inout[t] += bias.
    virtual void add_bias(View inout, const Buffer& bias) = 0;

    // What is called after this sees what `other`, a stream of the same backend, was called before.
    virtual void wait_for(Stream& other) { (void)other; }
    // Runs `operations`. With the same sequences, rows and buffers as an earlier call they are the
    // same operations, which a device may then repeat without asking again: nothing in them may
    // depend on the host (no upload, download, embed, select_top, likeliest or rank).
    virtual void repeat(std::span<const Identity> sequences, View rows,
                        const std::function<void()>& operations) {
        (void)sequences, (void)rows;
        operations();
    }

    // "cpu (avx512), 2 threads"
    [[nodiscard]] virtual std::string name() const = 0;
};

using StreamPtr = std::unique_ptr<Stream>;

// Holds weights and opens streams. Safe to share between threads.
class Backend {
public:
    Backend() = default;
    virtual ~Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    // `values` is row-major [rows, cols] of `type` (f32 or bf16), which is also the type it is
    // multiplied in.
    [[nodiscard]] virtual MatrixPtr upload_matrix(std::int64_t rows, std::int64_t cols, DType type,
                                                  std::span<const std::byte> values) = 0;
    // A small float32 table that operations take by reference.
    [[nodiscard]] virtual BufferPtr upload_table(std::int64_t rows, std::int64_t cols,
                                                 std::span<const float> values) = 0;
    // `threads` is a wish; devices may ignore it.
    [[nodiscard]] virtual StreamPtr open_stream(int threads) = 0;

    // Memory is told before it is taken. Each of these is the most bytes that something takes of the
    // memory that this backend computes in, with all that is rounded up and kept beside it.
    // A buffer: of upload_table() or Stream::allocate().
    [[nodiscard]] virtual std::int64_t buffer_bytes(std::int64_t rows, std::int64_t cols,
                                                    DType type = DType::f32) const = 0;
    // Matrices that are uploaded.
    [[nodiscard]] virtual std::int64_t matrices_bytes(
        std::span<const MatrixSize> matrices) const = 0;
    // A stream that has done such work, without the buffers that were asked of it.
    [[nodiscard]] virtual std::int64_t stream_bytes(int threads, const StreamWork& work) const = 0;

    // Tokens of a prompt that best go through a layer together.
    [[nodiscard]] virtual std::int64_t prefill_chunk_tokens() const { return 1024; }
    // From how many tokens on a chunk is better read in two halves on two streams, the second one a
    // layer behind the first; 0: never, streams do not compute at the same time.
    [[nodiscard]] virtual std::int64_t split_chunk_tokens() const { return 0; }
    [[nodiscard]] virtual std::string name() const = 0;
};

using BackendPtr = std::shared_ptr<Backend>;

}  // namespace sipo::backend
