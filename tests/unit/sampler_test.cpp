#include "session/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/largest.hpp"
#include "base/random.hpp"
#include "base/ranking.hpp"

namespace sipo {
namespace {

using Logits = std::vector<float>;

constexpr float infinity = std::numeric_limits<float>::infinity();
const float not_a_number = std::numeric_limits<float>::quiet_NaN();

SamplingOptions random_options(std::uint64_t seed = 1) {
    SamplingOptions options;
    options.temperature = 1.0;
    options.seed = seed;
    return options;
}

std::vector<std::int32_t> draws(const SamplingOptions& options, const Logits& logits, int count) {
    Sampler sampler(options);
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(sampler.sample(LogitsView(logits)));
    return tokens;
}

// The tokens that come up in many draws.
std::set<std::int32_t> drawn(const SamplingOptions& options, const Logits& logits) {
    const auto tokens = draws(options, logits, 3000);
    return {tokens.begin(), tokens.end()};
}

// ln of the probabilities 0.4, 0.3, 0.2, 0.1, in another order.
const Logits four{std::log(0.2F), std::log(0.4F), std::log(0.1F), std::log(0.3F)};
using Tokens = std::set<std::int32_t>;

TEST(Sampler, GreedyTakesTheHighestLogit) {
    EXPECT_EQ(Sampler({}).sample(LogitsView(Logits{-3, -1, -2})), 1);
    EXPECT_EQ(Sampler({}).sample(LogitsView(Logits{7})), 0);
}

TEST(Sampler, GreedyTakesTheFirstOfEqualLogits) {
    EXPECT_EQ(Sampler({}).sample(LogitsView(Logits{1, 3, 2, 3, 3})), 1);
}

TEST(Sampler, ATemperatureNearZeroIsGreedy) {
    SamplingOptions options = random_options();
    options.temperature = 1e-9;
    EXPECT_EQ(drawn(options, four), Tokens{1});
}

TEST(Sampler, AVeryHighTemperatureIsUniform) {
    SamplingOptions options = random_options();
    options.temperature = 1e9;
    std::map<std::int32_t, int> counts;
    for (const std::int32_t token : draws(options, Logits{-50, 0, 3, 80}, 4000)) ++counts[token];
    for (std::int32_t token = 0; token < 4; ++token) EXPECT_NEAR(counts[token], 1000, 120);
}

TEST(Sampler, DrawsWithTheProbabilitiesOfTheSoftmax) {
    std::map<std::int32_t, int> counts;
    constexpr int count = 20000;
    for (const std::int32_t token : draws(random_options(), four, count)) ++counts[token];
    const double expected[] = {0.2, 0.4, 0.1, 0.3};
    for (std::int32_t token = 0; token < 4; ++token) {
        const double p = expected[token];
        const double deviation = std::sqrt(count * p * (1.0 - p));
        EXPECT_NEAR(counts[token], count * p, 4.0 * deviation) << "token " << token;
    }
}

TEST(Sampler, TemperatureDividesTheLogits) {
    SamplingOptions options = random_options();
    options.temperature = 0.5;  // squares the probabilities: .16, .09, .04, .01 of .30
    constexpr int count = 20000;
    int likeliest = 0;
    for (const std::int32_t token : draws(options, four, count)) likeliest += token == 1 ? 1 : 0;
    EXPECT_NEAR(likeliest, count * 16.0 / 30.0, 300);
}

TEST(Sampler, TopKKeepsExactlyTheKLikeliest) {
    SamplingOptions options = random_options();
    const Tokens expected[] = {{0, 1, 2, 3}, {1}, {1, 3}, {0, 1, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}};
    for (std::int64_t k = 0; k <= 5; ++k) {
        options.top_k = k;
        EXPECT_EQ(drawn(options, four), expected[k]) << "k = " << k;
    }
}

TEST(Sampler, TopKPrefersTheEarlierOfEqualLogits) {
    SamplingOptions options = random_options();
    options.top_k = 2;
    EXPECT_EQ(drawn(options, Logits(6, 0.5F)), (Tokens{0, 1}));
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
    SamplingOptions options = random_options();
    const std::pair<double, Tokens> cases[] = {
        {0.01, {1}},       {0.39, {1}},          {0.41, {1, 3}},     {0.69, {1, 3}},
        {0.71, {0, 1, 3}}, {0.91, {0, 1, 2, 3}}, {1.0, {0, 1, 2, 3}}};
    for (const auto& [p, tokens] : cases) {
        options.top_p = p;
        EXPECT_EQ(drawn(options, four), tokens) << "p = " << p;
    }
}

TEST(Sampler, MinPKeepsWhatComesNearTheLikeliest) {
    SamplingOptions options = random_options();
    const std::pair<double, Tokens> cases[] = {{0.0, {0, 1, 2, 3}}, {0.24, {0, 1, 2, 3}},
                                               {0.26, {0, 1, 3}},   {0.51, {1, 3}},
                                               {0.76, {1}},         {1.0, {1}}};
    for (const auto& [p, tokens] : cases) {
        options.min_p = p;
        EXPECT_EQ(drawn(options, four), tokens) << "p = " << p;
    }
}

TEST(Sampler, TopPCountsWithinTheTopK) {
    SamplingOptions options = random_options();
    options.top_k = 2;     // .4 and .3 of .7
    options.top_p = 0.56;  // .4 / .7 = .571 reaches it
    EXPECT_EQ(drawn(options, four), Tokens{1});
}

// A draw looks at a few of the likeliest first; where it lies beyond them, all are sorted.
TEST(Sampler, DrawsFromAFewAsFromAll) {
    SplitMix64 random(5);
    Logits logits(3000);
    for (float& logit : logits) logit = static_cast<float>(12.0 * random.uniform());
    for (std::size_t i = 0; i < logits.size(); i += 7) logits[i] = std::floor(logits[i]);
    logits[1234] = not_a_number;
    int beyond = 0;
    const LogitsView all(
        index_of_largest(logits), [&] { return std::span<const float>(logits); },
        [&](std::int64_t, double temperature) {
            return rank_tokens(logits, std::ssize(logits), temperature);
        });
    const LogitsView few(
        index_of_largest(logits),
        [&] {
            ++beyond;
            return std::span<const float>(logits);
        },
        [&](std::int64_t count, double temperature) {
            return rank_tokens(logits, std::min<std::int64_t>(count, 20), temperature);
        });
    for (const double temperature : {0.2, 1.0, 6.0}) {
        for (const std::int64_t top_k : {0, 1, 15, 20, 21, 500, 5000}) {
            for (const double top_p : {1.0, 0.9, 0.2}) {
                for (const double min_p : {0.0, 0.05}) {
                    SamplingOptions options = random_options();
                    options.temperature = temperature;
                    options.top_k = top_k;
                    options.top_p = top_p;
                    options.min_p = min_p;
                    Sampler from_all(options);
                    Sampler from_few(options);
                    for (int i = 0; i < 40; ++i) {
                        ASSERT_EQ(from_few.sample(few), from_all.sample(all))
                            << "temperature " << temperature << ", top_k " << top_k << ", top_p "
                            << top_p << ", min_p " << min_p << ", draw " << i;
                    }
                }
            }
        }
    }
    EXPECT_GT(beyond, 0);
}

TEST(Ranking, KnowsNoTokenWithoutANumber) {
    const Ranking ranking =
        rank_tokens(Logits{not_a_number, 1, -infinity, not_a_number, 2}, 9, 1.0);
    EXPECT_EQ(ranking.numbers, 3);
    ASSERT_EQ(ranking.best.size(), 3U);
    EXPECT_EQ(ranking.best[0].token, 4);
    EXPECT_EQ(ranking.best[1].token, 1);
    EXPECT_EQ(ranking.best[2].token, 2);  // a number, if the least likely of all
    EXPECT_NEAR(log_sum_exp(ranking), std::log(std::exp(1.0) + std::exp(2.0)), 1e-12);
    const Ranking none = rank_tokens(Logits{not_a_number, not_a_number}, 2, 1.0);
    EXPECT_EQ(none.numbers, 0);
    EXPECT_TRUE(none.best.empty());
    EXPECT_EQ(log_sum_exp(none), -infinity);
}

TEST(Ranking, IsTheSameHoweverManyAreWantedAndInWhateverOrderItIsMade) {
    SplitMix64 random(3);
    Logits logits(20000);
    for (float& logit : logits) logit = static_cast<float>(30.0 * random.uniform());
    for (std::size_t i = 0; i < logits.size(); i += 3) logits[i] = std::floor(logits[i]);
    const Ranking all = rank_tokens(logits, std::ssize(logits), 0.7);
    EXPECT_TRUE(std::is_sorted(all.best.begin(), all.best.end(), [](auto a, auto b) {
        return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
    }));
    for (const std::int64_t count : {1, 2, 255, 19999}) {
        const auto backwards = [](std::size_t tasks, const auto& task) {
            while (tasks > 0) task(--tasks);
        };
        const Ranking few = rank_tokens(logits, count, 0.7, backwards);
        EXPECT_EQ(few.weight, all.weight);
        EXPECT_EQ(few.numbers, all.numbers);
        ASSERT_EQ(std::ssize(few.best), count);
        for (std::size_t i = 0; i < few.best.size(); ++i) {
            ASSERT_EQ(few.best[i].token, all.best[i].token) << i;
        }
    }
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
    SamplingOptions options;
    options.repetition_penalty = 2.0;
    Sampler positive(options);
    EXPECT_EQ(positive.sample(LogitsView(Logits{4, 3, 1})), 0);
    EXPECT_EQ(positive.sample(LogitsView(Logits{4, 3, 1})), 1);  // 4 / 2 < 3
    EXPECT_EQ(positive.sample(LogitsView(Logits{4, 3, 1})), 0);  // 2 > 1.5 and 1
    Sampler negative(options);
    EXPECT_EQ(negative.sample(LogitsView(Logits{-1, -1.5, -4})), 0);
    EXPECT_EQ(negative.sample(LogitsView(Logits{-1, -1.5, -4})), 1);  // -1 · 2 < -1.5
}

TEST(Sampler, RepetitionPenaltyCountsATokenOnce) {
    SamplingOptions options;
    options.repetition_penalty = 2.0;
    Sampler sampler(options);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(sampler.sample(LogitsView(Logits{10, 1})), 0);
}

TEST(Sampler, RepetitionPenaltyForgetsWhatLeftTheWindow) {
    SamplingOptions options;
    options.repetition_penalty = 10.0;
    options.repetition_window = 2;
    const Logits logits{4, 3, 2, 1};
    EXPECT_EQ(draws(options, logits, 6), (std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}));
    options.repetition_window = 0;
    EXPECT_EQ(draws(options, logits, 3), (std::vector<std::int32_t>{0, 0, 0}));
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
    const Logits flat(1000, 0.0F);
    EXPECT_EQ(draws(random_options(5), flat, 50), draws(random_options(5), flat, 50));
    EXPECT_NE(draws(random_options(5), flat, 50), draws(random_options(6), flat, 50));
}

TEST(Sampler, LeavesOutTokensOfNoProbability) {
    EXPECT_EQ(drawn(random_options(), Logits{-infinity, 0, -infinity, 1}), (Tokens{1, 3}));
}

TEST(Sampler, NeverTakesATokenWhoseLogitIsNotANumber) {
    const Logits logits{not_a_number, 0, not_a_number, 1};
    EXPECT_EQ(Sampler({}).sample(LogitsView(logits)), 3);
    EXPECT_EQ(drawn(random_options(), logits), (Tokens{1, 3}));
}

TEST(Sampler, RefusesLogitsWithoutAFiniteMaximum) {
    for (const Logits& logits : {Logits(5, not_a_number), Logits(5, -infinity),
                                 Logits{0, infinity, 1}, Logits{not_a_number, -infinity}}) {
        for (const SamplingOptions& options : {SamplingOptions{}, random_options()}) {
            try {
                (void)Sampler(options).sample(LogitsView(logits));
                ADD_FAILURE() << "no error";
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::backend_error) << error.what();
            }
        }
    }
}

}  // namespace
}  // namespace sipo
