// All layers of a Mamba-1 model and its head for the next token of one sequence, in one launch.
#pragma once

#include "kernels.hpp"

namespace sipo::cuda {

inline constexpr int max_token_layers = 128;

// What differs from layer to layer.
struct TokenLayer {
    const float* norm;              // [d_model]
    const __nv_bfloat16* in_proj;   // [2 d_inner, d_model]: x | z
    const float* conv_weight;       // [4, d_inner]
    const float* conv_bias;         // [d_inner]; may be null
    float* history;                 // [3, d_inner]
    const __nv_bfloat16* x_proj;    // [dt_rank + 32, d_inner]
    const float* dt_weight;         // [d_inner, dt_rank]
    const float* dt_bias;           // [d_inner]
    const float* a;                 // [16, d_inner]
    const float* d;                 // [d_inner]
    float* state;                   // [16, d_inner]
    const __nv_bfloat16* out_proj;  // [d_model, d_inner]
};

// What they share.
struct TokenShape {
    int d_model = 0;
    int dt_rank = 0;
    int dt_stride = 0;
    int conv_stride = 0;
    int history_stride = 0;
    int a_stride = 0;
    int state_stride = 0;
    float norm_eps = 0.0F;
    float low = 0.0F;  // of Δ
    float high = 0.0F;
    float* residual = nullptr;  // [d_model]

    [[nodiscard]] __host__ __device__ int d_inner() const { return 2 * d_model; }
    [[nodiscard]] bool operator==(const TokenShape&) const = default;
};

// What the blocks tell each other, words of token_exchange.cuh. Zero before the first launch.
struct TokenExchange {
    std::uint32_t* control;   // the last tag of the launch before; blocks that have left
    std::uint32_t* y;         // [d_inner]
    std::uint32_t* residual;  // [d_model]
    std::uint32_t* dt_b_c;    // [clusters of blocks, dt_rank + 32], parts of sums
};
// `blocks` as token_blocks() says.
[[nodiscard]] std::int64_t exchange_bytes(const TokenShape& shape, int blocks);
// Of any model of this width.
[[nodiscard]] std::int64_t most_exchange_bytes(int d_model, int multiprocessors);
[[nodiscard]] TokenExchange make_exchange(const TokenShape& shape, void* memory);

// The last norm and the head, after the last layer.
struct TokenHead {
    const float* norm = nullptr;            // [d_model]
    const __nv_bfloat16* weight = nullptr;  // [rows, d_model]
    float* logits = nullptr;                // [rows]
    int rows = 0;                           // an even number; 0: no head
};

struct TokenArgs {
    TokenShape shape;
    TokenExchange exchange;
    TokenHead head;
    int layers = 0;
    TokenLayer layer[max_token_layers];
};

// Blocks that take part; 0: the shape does not fit, or the device is older than compute capability
// 9.0.
[[nodiscard]] int token_blocks(const TokenShape& shape);
// `blocks` as token_blocks() says.
void mamba1_token(const TokenArgs& args, int blocks, cudaStream_t s);

}  // namespace sipo::cuda
