// methods.md section 3, "Calibration", against its equations written out.
#include "context/calibration.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/random.hpp"

namespace sipo::context {
namespace {

// Log-normal, as the Δ of trained models are.
std::vector<float> random_delta(std::size_t count, std::uint64_t seed) {
    SplitMix64 random(seed);
    std::vector<float> delta(count);
    for (float& step : delta) {
        double normal = -6.0;  // a sum of twelve uniforms is nearly normal
        for (int i = 0; i < 12; ++i) normal += random.uniform();
        step = static_cast<float>(std::exp(normal - 3.0));
    }
    return delta;
}

std::vector<float> descending(std::vector<float> delta) {
    std::sort(delta.begin(), delta.end(), std::greater<>());
    return delta;
}

double sum_of(const std::vector<float>& delta) {
    double sum = 0.0;
    for (const float step : delta) sum += static_cast<double>(step);
    return sum;
}

double naive_log_decay(const std::vector<float>& delta, const std::vector<float>& a) {
    double total = 0.0;
    for (const float step : delta) {
        double mean = 0.0;
        for (const float rate : a) {
            mean += std::exp(static_cast<double>(step) * rate) / static_cast<double>(a.size());
        }
        total += std::log(mean);
    }
    return total;
}

// Step 3 of methods.md, one line a sentence.
float naive_threshold(const std::vector<float>& delta, std::int64_t total) {
    const auto length = static_cast<std::int64_t>(delta.size());
    if (total <= length) return 0.0F;
    const std::vector<float> sorted = descending(delta);
    std::vector<double> resampled(static_cast<std::size_t>(total));
    for (std::int64_t i = 0; i < total; ++i) {
        const double ratio = static_cast<double>(length) / static_cast<double>(total);
        const double source = std::max((static_cast<double>(i) + 0.5) * ratio - 0.5, 0.0);
        const auto left = static_cast<std::size_t>(source);
        const std::size_t right = std::min(left + 1, sorted.size() - 1);
        const double share = source - static_cast<double>(left);
        resampled[static_cast<std::size_t>(i)] =
            sorted[left] * (1.0 - share) + sorted[right] * share;
    }
    const double sum = sum_of(delta);
    double cumulated = 0.0;
    std::size_t k = 0;
    while (k < resampled.size()) {
        cumulated += resampled[k];
        if (cumulated > sum) break;
        ++k;
    }
    return static_cast<float>(resampled[std::min(k + 1, resampled.size() - 1)]);
}

float threshold(const std::vector<float>& delta, std::int64_t total) {
    return length_threshold(descending(delta), sum_of(delta), total);
}

TEST(LogDecay, IsTheSumOfTheLogsOfTheMeanDecays) {
    SplitMix64 random(1);
    for (const std::size_t states : {std::size_t{1}, std::size_t{4}, std::size_t{16}}) {
        std::vector<float> a(states);
        for (float& rate : a) rate = static_cast<float>(-0.1 - 10.0 * random.uniform());
        const std::vector<float> delta = random_delta(700, states);
        const double expected = naive_log_decay(delta, a);
        EXPECT_NEAR(cumulative_log_decay(delta, a), expected, 1e-9 * std::abs(expected));
    }
}

TEST(LogDecay, DoesNotUnderflow) {
    const std::vector<float> delta(3, 1e6F);
    const std::vector<float> a{-2.0F, -1.0F, -4.0F, -3.0F};
    ASSERT_TRUE(std::isinf(naive_log_decay(delta, a)));
    // The slowest of the four states alone counts: 3 · (−1e6 − ln 4).
    EXPECT_NEAR(cumulative_log_decay(delta, a), -3e6 - 3.0 * std::log(4.0), 1e-6);
    EXPECT_NEAR(cumulative_log_decay(delta, std::vector<float>{-5.0F}), -1.5e7, 1e-6);
    EXPECT_NEAR(cumulative_log_decay(delta, std::vector<float>(16, -5.0F)), -1.5e7, 1e-6);
}

TEST(LogDecay, OfNoStepsAndOfStepsOfZeroIsZero) {
    const std::vector<float> a{-2.0F, -1.0F};
    EXPECT_EQ(cumulative_log_decay({}, a), 0.0);
    EXPECT_EQ(cumulative_log_decay(std::vector<float>(9, 0.0F), a), 0.0);
}

TEST(LengthThreshold, IsZeroUpToTheCalibratedLength) {
    const std::vector<float> delta = random_delta(500, 3);
    EXPECT_EQ(threshold(delta, 1), 0.0F);
    EXPECT_EQ(threshold(delta, 500), 0.0F);
    EXPECT_GT(threshold(delta, 501), 0.0F);
}

TEST(LengthThreshold, FollowsTheDefinition) {
    for (const std::size_t length : {std::size_t{50}, std::size_t{333}, std::size_t{2000}}) {
        for (const double factor : {1.01, 1.5, 2.0, 3.7, 16.0, 95.0}) {
            const std::vector<float> delta = random_delta(length, length);
            const auto total = static_cast<std::int64_t>(factor * static_cast<double>(length));
            const float expected = naive_threshold(delta, total);
            EXPECT_NEAR(threshold(delta, total), expected, 1e-6 * expected)
                << length << " tokens resampled to " << total;
        }
    }
}

TEST(LengthThreshold, FollowsTheDefinitionWithTies) {
    for (const double grain : {0.01, 0.05, 0.2}) {
        std::vector<float> delta = random_delta(400, 9);
        for (float& step : delta) step = static_cast<float>(std::ceil(step / grain) * grain);
        for (const std::int64_t total : {401, 600, 800, 1000, 3000, 40000}) {
            const float expected = naive_threshold(delta, total);
            EXPECT_NEAR(threshold(delta, total), expected, 1e-6 * expected)
                << "grain " << grain << ", resampled to " << total;
        }
    }
}

TEST(LengthThreshold, OfAConstantDeltaIsThatConstant) {
    for (const float step : {0.25F, 0.1F, 3.3F}) {
        const std::vector<float> delta(300, step);
        for (const std::int64_t total : {301, 450, 600, 30000})
            EXPECT_EQ(threshold(delta, total), step);
    }
}

TEST(LengthThreshold, OfNoDeltaAtAllIsZero) {
    EXPECT_EQ(threshold(std::vector<float>(100, 0.0F), 1000), 0.0F);
}

class CalibratesAModel : public testing::Test {
protected:
    static constexpr std::int64_t layers = 2;
    static constexpr std::int64_t channels = 19;  // not a multiple of a task's
    static constexpr std::int64_t length = 1500;

    CalibratesAModel() {
        architecture_.family = Family::mamba2;
        architecture_.n_layers = layers;
        architecture_.n_heads = channels;
        for (std::int64_t c = 0; c < channels; ++c) a_.push_back(-0.5F - static_cast<float>(c));
    }

    // Δ of one sequence and layer, [length, channels].
    static std::vector<float> layer_delta(std::uint64_t seed) {
        return random_delta(static_cast<std::size_t>(length * channels), seed);
    }
    static std::vector<float> column(const std::vector<float>& delta, std::int64_t channel) {
        std::vector<float> result;
        for (std::int64_t t = 0; t < length; ++t) {
            result.push_back(delta[static_cast<std::size_t>(t * channels + channel)]);
        }
        return result;
    }

    Architecture architecture_;
    std::vector<float> a_;
    ThreadPool pool_{2};
};

TEST_F(CalibratesAModel, AveragesTheSequences) {
    Calibration calibration(architecture_, length, 2, 0.0);
    for (const std::uint64_t sequence : {0, 1}) {
        for (std::int64_t layer = 0; layer < layers; ++layer) {
            const auto seed = sequence * 10 + static_cast<std::uint64_t>(layer);
            calibration.add_layer(layer, layer_delta(seed), a_, pool_);
        }
    }
    const CalibrationProfile profile = calibration.finish("mine");
    EXPECT_NO_THROW(validate(profile));
    EXPECT_EQ(profile.name, "mine");
    EXPECT_EQ(profile.training_length, length);
    EXPECT_EQ(profile.sequences, 2);
    EXPECT_EQ(profile.lengths, table_lengths());
    const std::size_t entries = profile.lengths.size();
    for (std::int64_t layer = 0; layer < layers; ++layer) {
        for (std::int64_t c = 0; c < channels; ++c) {
            const auto index = static_cast<std::size_t>(layer * channels + c);
            const auto first = column(layer_delta(static_cast<std::uint64_t>(layer)), c);
            const auto second = column(layer_delta(10 + static_cast<std::uint64_t>(layer)), c);
            const double rate = a_[static_cast<std::size_t>(c)];
            EXPECT_NEAR(profile.log_decay[index], rate * (sum_of(first) + sum_of(second)) / 2.0,
                        1e-6 * std::abs(profile.log_decay[index]));
            for (const std::size_t j : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
                const std::int64_t total = profile.lengths[j];
                const float expected =
                    (naive_threshold(first, total) + naive_threshold(second, total)) / 2.0F;
                EXPECT_NEAR(profile.threshold_table[index * entries + j], expected,
                            1e-6 * expected);
            }
        }
    }
}

TEST_F(CalibratesAModel, ClampsTheLargestStepsToTheKthLargest) {
    const double clamp = 0.2;
    const std::vector<float> delta = layer_delta(4);
    Calibration clamped(architecture_, length, 1, clamp);
    clamped.add_layer(0, delta, a_, pool_);
    std::vector<float> limited = delta;
    for (std::int64_t c = 0; c < channels; ++c) {
        const float limit = descending(column(delta, c))[299];  // the 300th of 1500
        for (std::int64_t t = 0; t < length; ++t) {
            float& step = limited[static_cast<std::size_t>(t * channels + c)];
            step = std::min(step, limit);
        }
    }
    Calibration plain(architecture_, length, 1, 0.0);
    plain.add_layer(0, limited, a_, pool_);
    EXPECT_EQ(clamped.finish("a").log_decay, plain.finish("a").log_decay);
    EXPECT_EQ(clamped.finish("a").threshold_table, plain.finish("a").threshold_table);
    EXPECT_EQ(clamped.finish("a").clamp, clamp);
}

TEST_F(CalibratesAModel, AClampOfLessThanOneTokenLeavesTheStepsAsTheyAre) {
    Calibration clamped(architecture_, length, 1, 1e-6);  // k = 1: the largest itself
    Calibration plain(architecture_, length, 1, 0.0);
    for (Calibration* calibration : {&clamped, &plain}) {
        calibration->add_layer(0, layer_delta(4), a_, pool_);
    }
    EXPECT_EQ(clamped.finish("a").log_decay, plain.finish("a").log_decay);
    EXPECT_EQ(clamped.finish("a").threshold_table, plain.finish("a").threshold_table);
}

}  // namespace
}  // namespace sipo::context
