// methods.md section 3, "Inference".
#include "context/longmamba.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sipo::context {
namespace {

const std::vector<std::int64_t> lengths{1000, 2000, 4000, 8000};
const std::vector<float> table{0.0F, 0.25F, 0.5F, 0.75F};

TEST(ThresholdAt, IsTheTablesEntryAtItsLengths) {
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        EXPECT_EQ(threshold_at(lengths, table, lengths[i]), table[i]);
    }
}

TEST(ThresholdAt, IsLinearInTheLogarithmBetweenThem) {
    EXPECT_NEAR(threshold_at(lengths, table, 2828), 0.375F, 1e-4);  // half-way by ratio
    EXPECT_NEAR(threshold_at(lengths, table, 3000), 0.25 + 0.25 * std::log(1.5) / std::log(2.0),
                1e-6);
    EXPECT_NEAR(threshold_at(lengths, table, 1001), 0.25 * std::log(1.001) / std::log(2.0), 1e-6);
}

TEST(ThresholdAt, HoldsTheEndsOutside) {
    EXPECT_EQ(threshold_at(lengths, table, 1), 0.0F);
    EXPECT_EQ(threshold_at(lengths, table, 8001), 0.75F);
    EXPECT_EQ(threshold_at(lengths, table, 1000000000), 0.75F);
    EXPECT_EQ(threshold_at(std::span(lengths).first(1), std::span(table).last(1), 5), 0.75F);
}

class LongMambaPlan : public testing::Test {
protected:
    static constexpr std::int64_t channels = 64;
    static constexpr float keep_all = -std::numeric_limits<float>::infinity();

    LongMambaPlan() {
        architecture_.n_layers = 3;
        architecture_.d_inner = channels;
        profile_ = {.name = "test",
                    .training_length = 1000,
                    .sequences = 1,
                    .clamp = 0.0,
                    .layers = 3,
                    .channels = channels,
                    .lengths = lengths,
                    .log_decay = {},
                    .threshold_table = {},
                    .settings = {}};
        // Channels 0 .. 15 of every layer decay little, the others much.
        for (std::int64_t i = 0; i < 3 * channels; ++i) {
            profile_.log_decay.push_back(i % channels < 16 ? -1.0F : -100.0F);
            for (const float g : table) profile_.threshold_table.push_back(g);
        }
        options_.method = Method::longmamba;
        options_.global_channel_threshold = std::exp(-10.0);
    }

    [[nodiscard]] Plan plan(std::int64_t tokens, std::int64_t position = 0) const {
        return plan_longmamba({.architecture = architecture_,
                               .options = options_,
                               .profile = &profile_,
                               .tokens = tokens,
                               .position = position});
    }

    // Channels of a layer whose Δ is filtered.
    static std::vector<std::int64_t> filtered(const LayerPlan& layer) {
        std::vector<std::int64_t> found;
        for (std::size_t c = 0; c < layer.delta_threshold.size(); ++c) {
            EXPECT_EQ(layer.delta_scale[c], 1.0F);
            if (layer.delta_threshold[c] != keep_all) found.push_back(static_cast<std::int64_t>(c));
        }
        return found;
    }
    static std::vector<std::int64_t> first_channels(std::int64_t first, std::int64_t last) {
        std::vector<std::int64_t> result;
        for (std::int64_t c = first; c < last; ++c) result.push_back(c);
        return result;
    }

    Architecture architecture_;
    CalibrationProfile profile_;
    Options options_;
};

TEST_F(LongMambaPlan, FiltersTheGlobalChannelsOfEveryLayerByTheirTable) {
    for (const LayerPlan& layer : plan(4000)) {
        EXPECT_EQ(filtered(layer), first_channels(0, 16));
        EXPECT_EQ(layer.delta_threshold[0], 0.5F);
        EXPECT_FALSE(layer.kept_tokens);
    }
}

TEST_F(LongMambaPlan, TakesAChannelAsGlobalOnlyStrictlyAboveTheThreshold) {
    options_.global_channel_threshold = 1.0;  // ln 1 = 0, exactly
    profile_.log_decay[0] = 0.0F;
    profile_.log_decay[1] = 1e-30F;
    EXPECT_EQ(filtered(plan(4000)[0]), first_channels(1, 2));
}

TEST_F(LongMambaPlan, DoesNothingUpToTheTrainingLength) {
    for (const std::int64_t tokens : {1, 999, 1000}) {
        for (const LayerPlan& layer : plan(tokens)) EXPECT_TRUE(layer.delta_threshold.empty());
    }
    EXPECT_FALSE(plan(1001)[0].delta_threshold.empty());
}

TEST_F(LongMambaPlan, CountsWhatTheSessionHasReadBefore) {
    EXPECT_TRUE(plan(500, 500)[0].delta_threshold.empty());
    EXPECT_EQ(plan(500, 3500)[0].delta_threshold, plan(4000)[0].delta_threshold);
}

TEST_F(LongMambaPlan, TakesTheExpectedTokensForTheLength) {
    options_.expected_tokens = 4000;
    EXPECT_EQ(plan(10)[0].delta_threshold[0], 0.5F);
    EXPECT_EQ(plan(6000, 2000)[0].delta_threshold[0], 0.5F);
    options_.expected_tokens = 1000;
    EXPECT_TRUE(plan(6000)[0].delta_threshold.empty());
}

TEST_F(LongMambaPlan, ActsInTheLayersOfTheScopeAlone) {
    options_.layers = {1};
    const Plan scoped = plan(4000);
    EXPECT_TRUE(scoped[0].delta_threshold.empty());
    EXPECT_EQ(filtered(scoped[1]), first_channels(0, 16));
    EXPECT_TRUE(scoped[2].delta_threshold.empty());
}

TEST_F(LongMambaPlan, AsksNothingOfALayerWithoutGlobalChannels) {
    for (std::int64_t c = 0; c < channels; ++c) {
        profile_.log_decay[static_cast<std::size_t>(channels + c)] = -100.0F;
    }
    const Plan sparse = plan(4000);
    EXPECT_FALSE(sparse[0].delta_threshold.empty());
    EXPECT_TRUE(sparse[1].delta_threshold.empty());
}

TEST_F(LongMambaPlan, FiltersTheOtherChannelsInTheLocalAblation) {
    options_.filtered_channels = Channels::local;
    EXPECT_EQ(filtered(plan(4000)[0]), first_channels(16, channels));
}

TEST_F(LongMambaPlan, FiltersAsManyRandomChannelsInTheRandomAblation) {
    options_.filtered_channels = Channels::random;
    options_.channel_seed = 7;
    const Plan first = plan(4000);
    for (const LayerPlan& layer : first) EXPECT_EQ(filtered(layer).size(), 16U);
    EXPECT_NE(filtered(first[0]), filtered(first[1]));
    EXPECT_NE(filtered(first[0]), first_channels(0, 16));
}

TEST_F(LongMambaPlan, ChoosesRandomChannelsByTheSeed) {
    options_.filtered_channels = Channels::random;
    options_.channel_seed = 7;
    const auto chosen = filtered(plan(4000)[2]);
    EXPECT_EQ(filtered(plan(4000)[2]), chosen);
    EXPECT_EQ(filtered(plan(8000)[2]), chosen);
    options_.channel_seed = 8;
    EXPECT_NE(filtered(plan(4000)[2]), chosen);
}

}  // namespace
}  // namespace sipo::context
