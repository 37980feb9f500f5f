// The depthwise causal convolution with its SiLU: channels lie along the vector, so every access is
// in order. Row t reads the inputs t - (taps - 1) .. t; those before row 0 come from the carried
// state.
#include "kernels.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

SIPO_INLINE const float* input_row(const ConvArgs& args, std::int64_t t) {
    return t >= 0 ? args.in + t * args.in_stride : args.state + (t + args.taps - 1) * args.channels;
}

template <typename Load, typename Store>
SIPO_INLINE void channels_at(const ConvArgs& args, std::int64_t t, std::int64_t ch, Load load_at,
                             Store store_at) {
    Vec acc = args.bias != nullptr ? load_at(args.bias + ch) : Vec{};
    for (std::int64_t k = 0; k < args.taps; ++k) {
        const float* row = input_row(args, t + k - (args.taps - 1));
        acc = fma(load_at(args.weight + k * args.channels + ch), load_at(row + ch), acc);
    }
    store_at(args.out + t * args.out_stride + ch, silu(acc));
}

}  // namespace

void conv_silu(const ConvArgs& args) {
    for (std::int64_t t = args.first_token; t < args.last_token; ++t) {
        std::int64_t ch = args.first_channel;
        for (; ch + width <= args.last_channel; ch += width) {
            channels_at(args, t, ch, load, store);
        }
        const std::int64_t rest = args.last_channel - ch;
        if (rest > 0) {
            channels_at(
                args, t, ch, [rest](const float* from) { return load_part(from, rest); },
                [rest](float* to, Vec v) { store_part(to, v, rest); });
        }
    }
}

}  // namespace sipo::cpu::SIPO_ISA
