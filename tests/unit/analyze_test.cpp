// Analyses of the reference checkpoints against what calibration and sessions say.
#include "session/analyze.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/random.hpp"
#include "parity/checkpoints.hpp"
#include "session/calibrate.hpp"

namespace sipo {
namespace {

constexpr std::int64_t tokens = 300;

std::vector<std::int32_t> random_ids(std::int64_t count) {
    SplitMix64 random(3);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(1 + random.below(4095));
    return ids;
}

class Analyzing : public testing::TestWithParam<std::string> {
protected:
    std::shared_ptr<const OpenModel> model_ = parity::open_checkpoint(GetParam());
    std::vector<std::int32_t> ids_ = random_ids(tokens);

    [[nodiscard]] SessionOptions session(std::int64_t chunk = 128) const {
        SessionOptions options;
        options.threads = 2;
        options.chunk_tokens = chunk;
        return options;
    }

    // A model trained on 100 tokens.
    [[nodiscard]] std::shared_ptr<const CalibrationProfile> calibration() const {
        return std::make_shared<const CalibrationProfile>(
            calibrate(*model_, ids_, 3, 100, {.clamp = 0.0, .threads = 2, .progress = {}}));
    }

    [[nodiscard]] Analysis measured(const SessionOptions& options) const {
        AnalyzeOptions small;
        small.points = 8;
        small.map_size = 16;
        return analyze(*model_, options, ids_, small);
    }
};

INSTANTIATE_TEST_SUITE_P(Models, Analyzing,
                         testing::Values(parity::mamba1_checkpoint, parity::mamba2_checkpoint),
                         [](const auto& family) { return family.param.substr(8); });

double sum_of(const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST_P(Analyzing, FindsTheDecayThatCalibrationFinds) {
    const Analysis result = measured(session());
    const CalibrationProfile profile =
        calibrate(*model_, ids_, 1, tokens, {.clamp = 0.0, .threads = 2, .progress = {}});
    ASSERT_EQ(result.places.size(), 8U);
    for (std::size_t cell = 0; cell < profile.log_decay.size(); ++cell) {
        const float wanted = profile.log_decay[cell];
        ASSERT_NEAR(result.log_decay[cell * 8 + 7], wanted, 1e-4 * std::abs(wanted)) << cell;
        const bool global = wanted > std::log(1e-2F);
        ASSERT_EQ(result.classes[cell], global ? 1 : 0) << cell;
    }
}

TEST_P(Analyzing, DoesNotDependOnTheChunks) {
    const Analysis whole = measured(session(4096));
    const Analysis cut = measured(session(37));
    EXPECT_EQ(whole.log_decay, cut.log_decay);
    EXPECT_EQ(whole.receptive_field, cut.receptive_field);
    EXPECT_EQ(whole.delta_norm, cut.delta_norm);
    EXPECT_EQ(whole.histogram, cut.histogram);
    EXPECT_EQ(whole.maps, cut.maps);
}

TEST_P(Analyzing, CountsEveryStepOnce) {
    const Analysis result = measured(session());
    const std::int64_t steps =
        std::accumulate(result.histogram.begin(), result.histogram.end(), std::int64_t{0});
    EXPECT_EQ(steps, result.layers * result.channels * tokens);
    EXPECT_EQ(result.layer_tokens, std::vector<std::int64_t>(8, tokens));
    EXPECT_EQ(result.kept.size(), static_cast<std::size_t>(tokens));
    EXPECT_EQ(sum_of(result.delta_skipped), 0.0);
    for (const float reach : result.receptive_field) {
        EXPECT_GE(reach, 0.0F);
        EXPECT_LT(reach, static_cast<float>(tokens));
    }
}

TEST_P(Analyzing, TheLastRowOfAMapHasTheReceptiveField) {
    AnalyzeOptions options;
    options.map_size = tokens;
    const Analysis result = analyze(*model_, session(), ids_, options);
    ASSERT_EQ(result.map_channels.size(), 8U);
    const std::size_t size = static_cast<std::size_t>(tokens);
    for (std::size_t map = 0; map < 8; ++map) {
        double sum = 0.0;
        double moment = 0.0;
        for (std::size_t j = 0; j < size; ++j) {
            const double weight = result.maps[(map * size + size - 1) * size + j];
            sum += weight;
            moment += weight * static_cast<double>(size - 1 - j);
        }
        const auto cell = map * static_cast<std::size_t>(result.channels) +
                          static_cast<std::size_t>(result.map_channels[map]);
        EXPECT_NEAR(moment / sum, result.receptive_field[cell],
                    1e-3 * result.receptive_field[cell]);
    }
}

TEST_P(Analyzing, LongMambaReachesFurther) {
    SessionOptions options = session();
    options.calibration = calibration();
    const Analysis plain = measured(options);
    options.context.method = context::Method::longmamba;
    options.context.global_channel_threshold = 1e-5;
    const Analysis filtered = measured(options);
    EXPECT_GT(sum_of(filtered.delta_skipped), 0.0);
    EXPECT_GT(sum_of(filtered.log_decay), sum_of(plain.log_decay));
    EXPECT_GT(sum_of(filtered.receptive_field), sum_of(plain.receptive_field));
    for (std::size_t cell = 0; cell < filtered.classes.size(); ++cell) {
        if (filtered.classes[cell] == 0) {
            ASSERT_EQ(filtered.delta_skipped[cell], 0.0F);
        }
    }
}

TEST_P(Analyzing, DeciMambaKeepsWhatASessionKeeps) {
    SessionOptions options = session();
    options.context.method = context::Method::decimamba;
    options.context.layers = {2, 4};
    options.context.decimation_capacity = 100;
    const Analysis result = measured(options);
    Session reading(model_, options);
    reading.prefill(ids_);
    std::vector<std::int64_t> kept(static_cast<std::size_t>(reading.kept_count()));
    reading.kept_tokens(kept);
    EXPECT_EQ(result.kept, kept);
    EXPECT_EQ(result.layer_tokens, (std::vector<std::int64_t>{300, 300, 101, 101, 51, 51, 51, 51}));
}

TEST_P(Analyzing, MapsTheChannelsThatAreAskedFor) {
    AnalyzeOptions options;
    options.map_size = 4;
    options.map_channels = {{3, 1}, {3, 2}, {0, 1}};
    const Analysis result = analyze(*model_, session(), ids_, options);
    EXPECT_EQ(result.map_layers, (std::vector<std::int64_t>{0, 3, 3}));
    EXPECT_EQ(result.map_channels, (std::vector<std::int64_t>{1, 1, 2}));
    options.map_channels = {{8, 0}};
    EXPECT_THROW((void)analyze(*model_, session(), ids_, options), Error);
}

TEST_P(Analyzing, IsCancelledAndLimited) {
    AnalyzeOptions options;
    options.progress = [](std::uint64_t done, std::uint64_t total) {
        EXPECT_LE(done, total);
        return done > total / 2 ? 1 : 0;
    };
    EXPECT_THROW((void)analyze(*model_, session(), ids_, options), Error);
    options.progress = {};
    options.memory_limit = analysis_memory(*model_, session(), tokens, options);
    EXPECT_EQ(analyze(*model_, session(), ids_, options).layers, 8);
    --options.memory_limit;
    EXPECT_THROW((void)analyze(*model_, session(), ids_, options), Error);
}

}  // namespace
}  // namespace sipo
