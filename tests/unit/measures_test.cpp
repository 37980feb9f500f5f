// methods.md section 4: hidden attention, mean distance, and the bins of Δ.
#include "context/measures.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"

namespace sipo::context {
namespace {

constexpr std::size_t tokens = 40;

struct Channel {
    std::size_t states;
    std::vector<float> delta, a, b, c;

    Channel(std::size_t of_states, std::size_t rates) : states(of_states) {
        SplitMix64 random(7);
        const auto uniform = [&] { return static_cast<float>(random.below(2001)) / 1000.0F - 1; };
        for (std::size_t t = 0; t < tokens; ++t) delta.push_back(0.02F * (1.01F + uniform()));
        for (std::size_t n = 0; n < rates; ++n) a.push_back(-1.0F - static_cast<float>(n));
        for (std::size_t i = 0; i < tokens * states; ++i) {
            b.push_back(uniform());
            c.push_back(uniform());
        }
    }

    [[nodiscard]] ChannelInputs inputs() const {
        return {.delta = delta,
                .a = a,
                .b = b.data(),
                .c = c.data(),
                .states = states,
                .stride = states};
    }

    // |α(i, j)| as its definition says.
    [[nodiscard]] double alpha(std::size_t i, std::size_t j) const {
        double between = 0.0;
        for (std::size_t k = j + 1; k <= i; ++k) between += static_cast<double>(delta[k]);
        double sum = 0.0;
        for (std::size_t n = 0; n < states; ++n) {
            const auto rate = static_cast<double>(a[a.size() == 1 ? 0 : n]);
            sum += static_cast<double>(c[i * states + n]) * std::exp(rate * between) *
                   static_cast<double>(delta[j]) * static_cast<double>(b[j * states + n]);
        }
        return std::abs(sum);
    }
};

void expect_attention(const Channel& channel, std::size_t query) {
    std::vector<double> weights(query + 1, -1.0);
    attention_row(channel.inputs(), query, weights);
    for (std::size_t j = 0; j <= query; ++j) {
        EXPECT_NEAR(weights[j], channel.alpha(query, j), 1e-12) << "token " << j;
    }
}

TEST(HiddenAttention, IsItsDefinition) {
    expect_attention(Channel(4, 4), tokens - 1);
    expect_attention(Channel(4, 4), 11);
    expect_attention(Channel(4, 4), 0);
}

TEST(HiddenAttention, HasOneRateForAllStatesInMamba2) {
    expect_attention(Channel(8, 1), tokens - 1);
}

TEST(HiddenAttention, PassesOverStepsOfZero) {
    Channel channel(4, 4);
    for (std::size_t t = 5; t < tokens - 1; ++t) channel.delta[t] = 0.0F;
    expect_attention(channel, tokens - 1);
}

TEST(HiddenAttention, IsZeroBeforeAStepThatForgetsEverything) {
    Channel channel(4, 4);
    channel.delta[20] = 1000.0F;
    std::vector<double> weights(tokens, -1.0);
    attention_row(channel.inputs(), tokens - 1, weights);
    for (std::size_t j = 0; j < 20; ++j) EXPECT_LT(weights[j], 1e-200);
    EXPECT_GT(weights[20], 0.0);
}

TEST(MeanDistance, WeighsDistancesInTokensOfThePrompt) {
    const std::vector<std::int64_t> positions{0, 10, 30};
    EXPECT_DOUBLE_EQ(mean_distance(std::vector<double>{1, 0, 0}, positions), 30.0);
    EXPECT_DOUBLE_EQ(mean_distance(std::vector<double>{0, 0, 5}, positions), 0.0);
    EXPECT_DOUBLE_EQ(mean_distance(std::vector<double>{1, 2, 1}, positions), (30.0 + 40.0) / 4.0);
    EXPECT_DOUBLE_EQ(mean_distance(std::vector<double>{0, 0, 0}, positions), 0.0);
    EXPECT_DOUBLE_EQ(mean_distance(std::vector<double>{3, 1}, positions), 7.5);
}

TEST(DeltaBins, HoldWhatLiesBetweenTheirEdges) {
    const std::vector<float> edges = DeltaBins::edges();
    ASSERT_EQ(edges.size(), DeltaBins::count + 1);
    for (std::size_t bin = 0; bin < DeltaBins::count; ++bin) {
        EXPECT_LT(edges[bin], edges[bin + 1]);
        EXPECT_EQ(DeltaBins::of(edges[bin]), bin);
        EXPECT_EQ(DeltaBins::of(std::nextafter(edges[bin + 1], 0.0F)), bin);
    }
    EXPECT_EQ(DeltaBins::of(0.0F), 0U);
    EXPECT_EQ(DeltaBins::of(1e-30F), 0U);
    EXPECT_EQ(DeltaBins::of(1e30F), DeltaBins::count - 1);
}

TEST(EvenPlaces, EndWithThePrompt) {
    EXPECT_EQ(even_places(10, 4), (std::vector<std::int64_t>{3, 5, 8, 10}));
    EXPECT_EQ(even_places(3, 64), (std::vector<std::int64_t>{1, 2, 3}));
    EXPECT_TRUE(even_places(3, 0).empty());
}

}  // namespace
}  // namespace sipo::context
