// Mamba-2's scan: per head h ← exp(Δ A) h + Δ x ⊗ B, y = h C + D x, with scalar A, D and Δ.
//
// The channels of a head lie along the vector; a few states of all of them stay in registers while
// a block of tokens passes, and y gathers the tiles of states in memory. The block keeps x and y of
// a head in the cache between the tiles. On a CPU this recurrence needs no more operations than the
// chunked matrix form, and it is exact for every cut of the prompt.
#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

constexpr std::int64_t token_block = 128;
constexpr std::int64_t state_tile = 4;

// What is the same for all channels of a head in a block of tokens.
struct HeadBlock {
    std::int64_t tokens;
    const std::int64_t* rows;  // null: from first_row on
    std::int64_t first_row;
    float delta[token_block];
    float decay[token_block];
    [[nodiscard]] std::int64_t row(std::int64_t i) const {
        return rows != nullptr ? rows[i] : first_row + i;
    }
};

void prepare(const ScanArgs& args, std::int64_t head, HeadBlock& block) {
    for (std::int64_t i = 0; i < block.tokens; ++i) {
        float delta = args.delta[block.row(i) * args.delta_stride + head];
        if (args.threshold != nullptr) {
            delta = delta > args.threshold[head] ? delta * args.scale[head] : 0.0F;
        }
        block.delta[i] = delta;
    }
    const Vec a = splat(args.a[head]);
    for (std::int64_t i = 0; i < block.tokens; i += width) {
        const std::int64_t count = block.tokens - i < width ? block.tokens - i : width;
        store_part(block.decay + i, exp(load_part(block.delta + i, count) * a), count);
    }
}

// `states` states of `vecs` vectors of channels, over the block. The first tile of a head starts y
// with the skip D x.
template <std::int64_t states, std::int64_t vecs, typename Load, typename Store>
SIPO_INLINE void scan_tile(const ScanArgs& args, const HeadBlock& block, std::int64_t channel,
                           const float* b, const float* c, float* h, float* y, bool first, float d,
                           Load load_at, Store store_at) {
    Vec state[states][vecs];
#pragma GCC unroll 8
    for (std::int64_t n = 0; n < states; ++n) {
#pragma GCC unroll 4
        for (std::int64_t v = 0; v < vecs; ++v) {
            state[n][v] = load_at(h + n * args.head_dim + v * width);
        }
    }
    for (std::int64_t i = 0; i < block.tokens; ++i) {
        const std::int64_t t = block.row(i);
        const Vec decay = splat(block.decay[i]);
        const Vec delta = splat(block.delta[i]);
        Vec input[vecs];
        Vec out[vecs];
#pragma GCC unroll 4
        for (std::int64_t v = 0; v < vecs; ++v) {
            const Vec x = load_at(args.x + t * args.x_stride + channel + v * width);
            input[v] = delta * x;
            out[v] = first ? splat(d) * x : load_at(y + i * args.y_stride + v * width);
        }
#pragma GCC unroll 8
        for (std::int64_t n = 0; n < states; ++n) {
            const Vec b_n = splat(b[t * args.b_stride + n]);
            const Vec c_n = splat(c[t * args.c_stride + n]);
#pragma GCC unroll 4
            for (std::int64_t v = 0; v < vecs; ++v) {
                state[n][v] = fma(decay, state[n][v], input[v] * b_n);
                out[v] = fma(state[n][v], c_n, out[v]);
            }
        }
#pragma GCC unroll 4
        for (std::int64_t v = 0; v < vecs; ++v) store_at(y + i * args.y_stride + v * width, out[v]);
    }
#pragma GCC unroll 8
    for (std::int64_t n = 0; n < states; ++n) {
#pragma GCC unroll 4
        for (std::int64_t v = 0; v < vecs; ++v) {
            store_at(h + n * args.head_dim + v * width, state[n][v]);
        }
    }
}

// All states of `vecs` vectors of channels from `p` on.
template <std::int64_t vecs, typename Load, typename Store>
SIPO_INLINE void scan_block(const ScanArgs& args, const HeadBlock& block, std::int64_t head,
                            std::int64_t p, float* y, Load load_at, Store store_at) {
    const std::int64_t channel = head * args.head_dim + p;
    const std::int64_t group = head / args.heads_a_group;
    const float* b = args.b + group * args.d_state;
    const float* c = args.c + group * args.d_state;
    float* h = args.state + head * args.d_state * args.head_dim + p;
    const float d = args.d[head];
    std::int64_t n = 0;
    for (; n + state_tile <= args.d_state; n += state_tile) {
        scan_tile<state_tile, vecs>(args, block, channel, b + n, c + n, h + n * args.head_dim,
                                    y + channel, n == 0, d, load_at, store_at);
    }
    for (; n < args.d_state; ++n) {
        scan_tile<1, vecs>(args, block, channel, b + n, c + n, h + n * args.head_dim, y + channel,
                           n == 0, d, load_at, store_at);
    }
}

void scan_head(const ScanArgs& args, const HeadBlock& block, std::int64_t head, float* y) {
    constexpr std::int64_t vecs = width == 4 ? 2 : 4;
    std::int64_t p = 0;
    for (; p + vecs * width <= args.head_dim; p += vecs * width) {
        scan_block<vecs>(args, block, head, p, y, load, store);
    }
    for (; p + width <= args.head_dim; p += width) {
        scan_block<1>(args, block, head, p, y, load, store);
    }
    const std::int64_t rest = args.head_dim - p;
    if (rest > 0) {
        scan_block<1>(
            args, block, head, p, y, [rest](const float* from) { return load_part(from, rest); },
            [rest](float* to, Vec v) { store_part(to, v, rest); });
    }
}

}  // namespace

void head_scan(const ScanArgs& args, std::int64_t first, std::int64_t last) {
    HeadBlock block;
    for (std::int64_t head = first; head < last; ++head) {
        for (std::int64_t i = 0; i < args.tokens; i += token_block) {
            block.tokens = args.tokens - i < token_block ? args.tokens - i : token_block;
            block.rows = args.rows != nullptr ? args.rows + i : nullptr;
            block.first_row = i;
            prepare(args, head, block);
            scan_head(args, block, head, args.y + i * args.y_stride);
        }
    }
}

}  // namespace sipo::cpu::SIPO_ISA
