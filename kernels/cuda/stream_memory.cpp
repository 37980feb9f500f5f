#include "stream_memory.hpp"

#include <algorithm>
#include <cstddef>

#include "base/checked.hpp"
#include "cuda_buffer.hpp"
#include "device.hpp"
#include "head_scan.hpp"
#include "kernels.hpp"
#include "mamba1_rows.hpp"
#include "mamba1_token.hpp"
#include "matmul.hpp"
#include "out_projection.hpp"
#include "selective_scan_segments.hpp"

namespace sipo::cuda {
namespace {

using backend::Matrix;
using backend::StreamWork;

constexpr std::int64_t f32_bytes = sizeof(float);
constexpr std::int64_t bf16_bytes = sizeof(__nv_bfloat16);

std::int64_t scratch(std::int64_t count, std::int64_t element) {
    return pool_bytes(checked_mul(count, element));
}

// Inputs of products in the type that they are multiplied in, where that is another than the one
// activations are kept in.
std::int64_t converted_bytes(const StreamWork& work) {
    std::int64_t half = 0;
    std::int64_t full = 0;
    for (const Matrix* matrix : work.products) {
        const bool f32 = held(*matrix).type() == DType::f32;
        const std::int64_t stride = round_up(matrix->cols(), std::int64_t{8});
        if (work.activations == DType::f32 && !f32) half = std::max(half, stride);
        if (work.activations == DType::bf16 && f32 && !held(*matrix).half()) {
            full = std::max(full, stride);
        }
    }
    return scratch(work.rows * half, bf16_bytes) + scratch(work.rows * full, f32_bytes);
}

// The largest quantised matrix that is multiplied with many rows, in bf16.
std::int64_t dequantised_bytes(const StreamWork& work) {
    std::int64_t largest = 0;
    const auto add = [&](const Matrix& matrix, std::int64_t rows) {
        if (rows <= gemv_max_rows || !is_quantised(held(matrix).type())) return;
        largest = std::max(largest, matrix.rows() * held(matrix).weights().stride);
    };
    for (const Matrix* matrix : work.products) add(*matrix, work.rows);
    if (work.head != nullptr) add(*work.head, work.logits);
    return scratch(largest, bf16_bytes);
}

// Δ of Mamba-2 where its columns lie on no border, and logits on their way to the host.
std::int64_t results_bytes(const StreamWork& work) {
    const std::int64_t delta = round_up(work.heads.n_heads, std::int64_t{8});
    const std::int64_t product = work.rows * delta;
    const std::int64_t vocab = work.head != nullptr ? work.head->rows() : 0;
    const bool packed = work.logits <= 1 || vocab % 4 == 0;
    return scratch(product, f32_bytes) + (packed ? 0 : scratch(work.logits * vocab, f32_bytes));
}

// The most scratch that plan(tokens) says for up to so many tokens. A plan has the most segments where its
// tokens are whole tiles of 32.
template <typename Plan>
std::int64_t most_scratch(std::int64_t tokens, const Plan& plan) {
    constexpr std::int64_t tile = 32;
    std::int64_t most = 0;
    for (std::int64_t count = tile; count < tokens + tile; count += tile) {
        const auto cut = plan(std::min(count, tokens));
        if (cut.segments > 1) most = std::max(most, cut.scratch);
    }
    return scratch(most, f32_bytes);
}

template <typename T>
std::int64_t channel_segments_bytes(const StreamWork& work, int multiprocessors) {
    ScanArgs<T, T> args{};
    args.d_inner = work.d_inner;
    args.d_state = work.d_state;
    return most_scratch(work.rows, [&](std::int64_t tokens) {
        args.tokens = tokens;
        return plan_scan_segments(args, multiprocessors);
    });
}

std::int64_t head_segments_bytes(const StreamWork& work, int multiprocessors) {
    ScanArgs<__nv_bfloat16, float> args{};
    args.d_state = work.d_state;
    args.n_heads = work.heads.n_heads;
    args.head_dim = work.heads.head_dim;
    args.n_groups = work.heads.n_groups;
    return most_scratch(work.rows, [&](std::int64_t tokens) {
        args.tokens = tokens;
        return plan_head_scan(args, multiprocessors);
    });
}

// The states between the time segments of a scan.
std::int64_t segments_bytes(const StreamWork& work, int multiprocessors) {
    const bool half = work.activations == DType::bf16;
    if (work.heads.n_heads > 0) return half ? head_segments_bytes(work, multiprocessors) : 0;
    return half ? channel_segments_bytes<__nv_bfloat16>(work, multiprocessors)
                : channel_segments_bytes<float>(work, multiprocessors);
}

// The choice among tokens, and the lists of those that are visited.
std::int64_t selection_bytes(const StreamWork& work) {
    if (work.candidates == 0) return 0;
    std::size_t sort = 0;
    select_top(nullptr, work.candidates, work.candidates, nullptr, nullptr, sort, nullptr);
    constexpr std::int64_t index = sizeof(std::int64_t);
    return pool_bytes(static_cast<std::int64_t>(sort)) + scratch(work.candidates, index) +
           scratch(work.rows, index);
}

}  // namespace

std::int64_t stream_bytes(const StreamWork& work, int multiprocessors) {
    constexpr std::int64_t id = sizeof(std::int32_t);
    const auto width = static_cast<int>(work.d_model);
    std::int64_t sum = pool_bytes(Matmul::workspace_bytes);
    for (const std::int64_t bytes :
         {pool_bytes(most_exchange_bytes(width, multiprocessors)), pool_bytes(OutProjection::bytes),
          scratch(work.rows, id), converted_bytes(work), dequantised_bytes(work),
          results_bytes(work), segments_bytes(work, multiprocessors), selection_bytes(work)}) {
        sum = checked_add(sum, bytes);
    }
    return sum;
}

}  // namespace sipo::cuda
