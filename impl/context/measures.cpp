#include "context/measures.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "context/exponential.hpp"

namespace sipo::context {
namespace {

// A state that is left with less than this share of what it began with adds nothing any more.
constexpr double forgotten = 1e-30;

// How many tokens may pass before it is asked whether a channel has forgotten everything.
constexpr std::size_t asked_every = 16;

double magnitude(std::span<const double> values) {
    double sum = 0.0;
    for (const double value : values) sum += std::abs(value);
    return sum;
}

// reach_n *= e^(step · A_n)
void fade(std::span<double> reach, double step, std::span<const float> rates) {
    if (rates.size() == 1) {
        const double decay = std::exp(step * static_cast<double>(rates.front()));
        for (double& value : reach) value *= decay;
        return;
    }
    for (std::size_t n = 0; n < reach.size(); ++n) {
        reach[n] *= exp_in_range(std::max(step * static_cast<double>(rates[n]), lowest_exponent));
    }
}

}  // namespace

void attention_row(const ChannelInputs& channel, std::size_t query, std::span<double> weights) {
    const std::size_t states = channel.states;
    const float* readout = channel.c + query * channel.stride;
    // C_i,n · exp(A_n Σ_{k>j} Δ_k), from the query back to the first token.
    std::vector<double> reach(states);
    for (std::size_t n = 0; n < states; ++n) reach[n] = static_cast<double>(readout[n]);
    const double enough = forgotten * magnitude(reach);
    std::size_t j = query + 1;
    while (j-- > 0) {
        const auto step = static_cast<double>(channel.delta[j]);
        weights[j] = 0.0;
        if (step == 0.0) continue;
        const float* input = channel.b + j * channel.stride;
        double alpha = 0.0;
        for (std::size_t n = 0; n < states; ++n) alpha += reach[n] * static_cast<double>(input[n]);
        weights[j] = std::abs(alpha) * step;
        fade(reach, step, channel.a);
        if (j % asked_every == 0 && magnitude(reach) <= enough) break;
    }
    if (j < query) std::fill_n(weights.begin(), j, 0.0);
}

double mean_distance(std::span<const double> weights, std::span<const std::int64_t> positions) {
    double sum = 0.0;
    double moment = 0.0;
    const auto query = static_cast<double>(positions[weights.size() - 1]);
    for (std::size_t j = 0; j < weights.size(); ++j) {
        sum += weights[j];
        moment += weights[j] * (query - static_cast<double>(positions[j]));
    }
    return sum > 0.0 ? moment / sum : 0.0;
}

std::size_t DeltaBins::of(float delta) {
    if (!(delta > 0.0F)) return 0;
    // The exponent and the first bit of the mantissa of a float.
    constexpr int bias = 127;
    const auto place = static_cast<int>(std::bit_cast<std::uint32_t>(delta) >> 22U);
    const int bin = place - 2 * (lowest + bias);
    return static_cast<std::size_t>(std::clamp(bin, 0, static_cast<int>(count) - 1));
}

std::vector<float> DeltaBins::edges() {
    std::vector<float> values(count + 1);
    for (std::size_t i = 0; i <= count; ++i) {
        const int octave = lowest + static_cast<int>(i / 2);
        values[i] = std::ldexp(i % 2 == 0 ? 1.0F : 1.5F, octave);
    }
    return values;
}

std::vector<std::int64_t> even_places(std::int64_t tokens, std::int64_t points) {
    std::vector<std::int64_t> places(static_cast<std::size_t>(std::min(tokens, points)));
    const auto count = static_cast<double>(places.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
        places[i] = std::llround(static_cast<double>(i + 1) * static_cast<double>(tokens) / count);
    }
    return places;
}

}  // namespace sipo::context
