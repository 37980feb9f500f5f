// Mamba-1's selective scan: h ← exp(Δ A) ⊙ h + Δ x ⊗ B, y = (h C + D ⊙ x) ⊙ SiLU(z).
//
// Channels lie along the vector and time runs in the loop. With 16 states the state of a vector of
// channels stays in registers for all tokens; the exponential, the filter of Δ, the skip and the
// gate are part of the same pass, so a token costs one read of x, Δ, z and one write of y a
// channel.
#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

constexpr std::int64_t prefetch_rows = 6;

SIPO_INLINE std::int64_t row_of(const ScanArgs& args, std::int64_t i) {
    return args.rows != nullptr ? args.rows[i] : i;
}

SIPO_INLINE void prefetch(const ScanArgs& args, std::int64_t i, std::int64_t ch) {
    if (i + prefetch_rows >= args.tokens) return;
    const std::int64_t t = row_of(args, i + prefetch_rows);
    __builtin_prefetch(args.x + t * args.x_stride + ch);
    __builtin_prefetch(args.delta + t * args.delta_stride + ch);
    __builtin_prefetch(args.z + t * args.z_stride + ch);
    __builtin_prefetch(args.y + (i + prefetch_rows) * args.y_stride + ch, 1);
}

// A single token reads a line of each state and goes on: fetch what the fourth vector from here
// will need, for no hardware follows two rows a state.
SIPO_INLINE void prefetch_states(const ScanArgs& args, std::int64_t ch, std::int64_t last) {
    constexpr std::int64_t ahead = 4 * width;
    if (ch + ahead >= last) return;
    for (std::int64_t n = 0; n < args.d_state; ++n) {
        __builtin_prefetch(args.state + n * args.d_inner + ch + ahead, 1);
        __builtin_prefetch(args.a + n * args.d_inner + ch + ahead);
    }
}

// States of one vector of channels. Fixed keeps a known number in registers, Dynamic any number in
// memory.
template <std::int64_t count>
struct FixedStates {
    Vec h[count];
    Vec a[count];
    explicit FixedStates(std::int64_t) {}
    static constexpr std::int64_t size() { return count; }
};

constexpr std::int64_t most_states = 1024;  // format/architecture.cpp: validate()

struct DynamicStates {
    Vec h[most_states];
    Vec a[most_states];
    std::int64_t n;
    explicit DynamicStates(std::int64_t d_state) : n(d_state) {}
    [[nodiscard]] std::int64_t size() const { return n; }
};

template <typename States, bool filtered, typename Load, typename Store>
SIPO_INLINE void scan_channels(const ScanArgs& args, std::int64_t ch, Load load_at,
                               Store store_at) {
    States states(args.d_state);
    const std::int64_t n_states = states.size();
    for (std::int64_t n = 0; n < n_states; ++n) {
        states.h[n] = load_at(args.state + n * args.d_inner + ch);
        states.a[n] = load_at(args.a + n * args.d_inner + ch) * splat(log2_e);
    }
    const Vec d = load_at(args.d + ch);
    const Vec threshold = filtered ? load_at(args.threshold + ch) : Vec{};
    const Vec scale = filtered ? load_at(args.scale + ch) : Vec{};
    for (std::int64_t i = 0; i < args.tokens; ++i) {
        prefetch(args, i, ch);
        const std::int64_t t = row_of(args, i);
        const Vec x = load_at(args.x + t * args.x_stride + ch);
        Vec delta = load_at(args.delta + t * args.delta_stride + ch);
        if constexpr (filtered) delta = delta > threshold ? delta * scale : Vec{};
        const Vec input = delta * x;
        const float* b = args.b + t * args.b_stride;
        const float* c = args.c + t * args.c_stride;
        Vec even{};
        Vec odd{};
#pragma GCC unroll 16
        for (std::int64_t n = 0; n < n_states; ++n) {
            states.h[n] = fma(exp2(delta * states.a[n]), states.h[n], input * splat(b[n]));
            Vec& y = n % 2 == 0 ? even : odd;
            y = fma(states.h[n], splat(c[n]), y);
        }
        const Vec y = fma(d, x, even + odd);
        store_at(args.y + i * args.y_stride + ch,
                 y * silu(load_at(args.z + t * args.z_stride + ch)));
    }
    for (std::int64_t n = 0; n < n_states; ++n) {
        store_at(args.state + n * args.d_inner + ch, states.h[n]);
    }
}

// Whether any of the channels ch .. ch + count - 1 has its Δ changed: few have, so most vectors of
// channels are spared the filter.
SIPO_INLINE bool is_filtered(const ScanArgs& args, std::int64_t ch, std::int64_t count) {
    if (args.threshold == nullptr) return false;
    for (std::int64_t i = ch; i < ch + count; ++i) {
        if (args.threshold[i] >= 0.0F || args.scale[i] != 1.0F) return true;
    }
    return false;
}

template <typename States, typename Load, typename Store>
SIPO_INLINE void scan_vector(const ScanArgs& args, std::int64_t ch, std::int64_t count,
                             Load load_at, Store store_at) {
    if (is_filtered(args, ch, count)) {
        scan_channels<States, true>(args, ch, load_at, store_at);
    } else {
        scan_channels<States, false>(args, ch, load_at, store_at);
    }
}

template <typename States>
void scan_range(const ScanArgs& args, std::int64_t first, std::int64_t last) {
    std::int64_t ch = first;
    for (; ch + width <= last; ch += width) {
        prefetch_states(args, ch, last);
        scan_vector<States>(args, ch, width, load, store);
    }
    const std::int64_t rest = last - ch;
    if (rest > 0) {
        scan_vector<States>(
            args, ch, rest, [rest](const float* from) { return load_part(from, rest); },
            [rest](float* to, Vec v) { store_part(to, v, rest); });
    }
}

}  // namespace

void selective_scan(const ScanArgs& args, std::int64_t first, std::int64_t last) {
    if (args.d_state == 16) {
        scan_range<FixedStates<16>>(args, first, last);
    } else {
        scan_range<DynamicStates>(args, first, last);
    }
}

}  // namespace sipo::cpu::SIPO_ISA
