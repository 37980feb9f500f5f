// sipo_analyze() from outside: shapes, refusals, limits and cancelling.
#include <numeric>

#include "hostile_fixture.hpp"

namespace {

using namespace sipo_tests;

using Analysis = std::unique_ptr<sipo_analysis, Freer<sipo_analysis_free>>;
using AnalysisOptions = std::unique_ptr<sipo_analysis_options, Freer<sipo_analysis_options_free>>;

class Analyses : public HostileArguments {
protected:
    AnalysisOptions how = made<AnalysisOptions>(sipo_analysis_options_create);
    std::vector<std::int32_t> prompt = some_ids(100);

    Analysis measured() {
        return made<Analysis>([&](sipo_analysis** out) {
            return sipo_analyze(options.get(), prompt.data(), prompt.size(), how.get(), out);
        });
    }
};

std::vector<float> reals(const Analysis& analysis, std::int32_t id) {
    std::size_t count = 0;
    EXPECT_EQ(sipo_analysis_get_reals(analysis.get(), id, nullptr, 0, &count), SIPO_OK);
    std::vector<float> values(count);
    EXPECT_EQ(sipo_analysis_get_reals(analysis.get(), id, values.data(), count, &count), SIPO_OK);
    return values;
}

std::vector<std::int64_t> integers(const Analysis& analysis, std::int32_t id) {
    std::size_t count = 0;
    EXPECT_EQ(sipo_analysis_get_integers(analysis.get(), id, nullptr, 0, &count), SIPO_OK);
    std::vector<std::int64_t> values(count);
    EXPECT_EQ(sipo_analysis_get_integers(analysis.get(), id, values.data(), count, &count),
              SIPO_OK);
    return values;
}

TEST_F(Analyses, HaveTheShapesThatAreTold) {
    ASSERT_EQ(sipo_analysis_options_set_points(how.get(), 10), SIPO_OK);
    ASSERT_EQ(sipo_analysis_options_set_map_size(how.get(), 6), SIPO_OK);
    const Analysis analysis = measured();
    constexpr std::size_t cells = 8 * 512;
    EXPECT_EQ(reals(analysis, SIPO_ANALYSIS_LOG_DECAY).size(), cells * 10);
    EXPECT_EQ(reals(analysis, SIPO_ANALYSIS_RECEPTIVE_FIELD).size(), cells);
    EXPECT_EQ(reals(analysis, SIPO_ANALYSIS_DELTA_MEAN).size(), cells);
    EXPECT_EQ(reals(analysis, SIPO_ANALYSIS_DELTA_SKIPPED).size(), cells);
    EXPECT_EQ(reals(analysis, SIPO_ANALYSIS_DELTA_NORM).size(), 80U);
    EXPECT_EQ(reals(analysis, SIPO_ANALYSIS_MAPS).size(), 8U * 6U * 6U);
    EXPECT_EQ(integers(analysis, SIPO_ANALYSIS_CLASSES).size(), cells);
    EXPECT_EQ(integers(analysis, SIPO_ANALYSIS_PLACES),
              (std::vector<std::int64_t>{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}));
    EXPECT_EQ(integers(analysis, SIPO_ANALYSIS_MAP_PLACES),
              (std::vector<std::int64_t>{17, 33, 50, 67, 83, 100}));
    EXPECT_EQ(integers(analysis, SIPO_ANALYSIS_LAYER_TOKENS), std::vector<std::int64_t>(8, 100));
    EXPECT_EQ(integers(analysis, SIPO_ANALYSIS_KEPT_TOKENS).size(), 100U);
    EXPECT_EQ(integers(analysis, SIPO_ANALYSIS_MAP_LAYERS).size(), 8U);
    EXPECT_EQ(integers(analysis, SIPO_ANALYSIS_MAP_CHANNELS).size(), 8U);
    const std::vector<std::int64_t> steps = integers(analysis, SIPO_ANALYSIS_DELTA_HISTOGRAM);
    const std::size_t bins = reals(analysis, SIPO_ANALYSIS_DELTA_EDGES).size() - 1;
    EXPECT_EQ(steps.size(), 8 * 2 * bins);
    EXPECT_EQ(std::accumulate(steps.begin(), steps.end(), std::int64_t{0}),
              static_cast<std::int64_t>(cells * 100));
}

TEST_F(Analyses, RefuseNull) {
    sipo_analysis_free(nullptr);
    sipo_analysis_options_free(nullptr);
    REFUSED(sipo_analysis_options_create(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analysis_options_set_points(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analysis_options_set_map_size(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analysis_options_set_memory_limit(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analysis_options_set_progress(nullptr, nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    const std::int32_t one = 1;
    REFUSED(sipo_analysis_options_set_map_channels(nullptr, &one, &one, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analysis_options_set_map_channels(how.get(), nullptr, &one, 1),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analysis_options_set_map_channels(how.get(), &one, nullptr, 1),
            SIPO_INVALID_ARGUMENT);
    std::int64_t bytes = 0;
    REFUSED(sipo_analysis_memory(nullptr, nullptr, 2, &bytes), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analysis_memory(options.get(), nullptr, 2, nullptr), SIPO_INVALID_ARGUMENT);
    auto* out = poisoned<sipo_analysis>();
    REFUSED(sipo_analyze(nullptr, prompt.data(), 2, nullptr, &out), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analyze(options.get(), nullptr, 2, nullptr, &out), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_analyze(options.get(), prompt.data(), 2, nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(out, poisoned<sipo_analysis>());
    std::size_t count = 0;
    float value = 0;
    REFUSED(sipo_analysis_get_reals(nullptr, SIPO_ANALYSIS_MAPS, &value, 1, &count),
            SIPO_INVALID_ARGUMENT);
    std::int64_t number = 0;
    REFUSED(sipo_analysis_get_integers(nullptr, SIPO_ANALYSIS_PLACES, &number, 1, &count),
            SIPO_INVALID_ARGUMENT);
}

TEST_F(Analyses, RefuseWhatIsOutOfRange) {
    for (const std::int64_t points : {INT64_MIN, std::int64_t{0}, std::int64_t{4097}, INT64_MAX}) {
        REFUSED(sipo_analysis_options_set_points(how.get(), points), SIPO_OUT_OF_RANGE);
    }
    for (const std::int64_t size : {INT64_MIN, std::int64_t{-1}, std::int64_t{257}, INT64_MAX}) {
        REFUSED(sipo_analysis_options_set_map_size(how.get(), size), SIPO_OUT_OF_RANGE);
    }
    REFUSED(sipo_analysis_options_set_memory_limit(how.get(), -1), SIPO_OUT_OF_RANGE);
    const std::int32_t one = 1;
    REFUSED(sipo_analysis_options_set_map_channels(how.get(), &one, &one, huge), SIPO_OUT_OF_RANGE);
    std::int64_t bytes = 0;
    REFUSED(sipo_analysis_memory(options.get(), how.get(), 1, &bytes), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_analysis_memory(options.get(), how.get(), longest + 1, &bytes), SIPO_OUT_OF_RANGE);
    auto* out = poisoned<sipo_analysis>();
    REFUSED(sipo_analyze(options.get(), prompt.data(), 0, how.get(), &out), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_analyze(options.get(), prompt.data(), 1, how.get(), &out), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_analyze(options.get(), prompt.data(), huge, how.get(), &out), SIPO_OUT_OF_RANGE);
    prompt[3] = -1;
    REFUSED_SAYING(sipo_analyze(options.get(), prompt.data(), 9, how.get(), &out),
                   SIPO_OUT_OF_RANGE, "-1");
    prompt[3] = 1;
    for (const std::int32_t bad : {least, -1, 512, most}) {
        const std::int32_t layer = 0;
        ASSERT_EQ(sipo_analysis_options_set_map_channels(how.get(), &layer, &bad, 1), SIPO_OK);
        REFUSED(sipo_analyze(options.get(), prompt.data(), 9, how.get(), &out), SIPO_OUT_OF_RANGE);
        ASSERT_EQ(sipo_analysis_options_set_map_channels(how.get(), &bad, &layer, 1), SIPO_OK);
        REFUSED(sipo_analyze(options.get(), prompt.data(), 9, how.get(), &out), SIPO_OUT_OF_RANGE);
    }
    EXPECT_EQ(out, poisoned<sipo_analysis>());
}

TEST_F(Analyses, RefuseUnknownArraysAndSmallBuffers) {
    ASSERT_EQ(sipo_analysis_options_set_map_channels(how.get(), nullptr, nullptr, 0), SIPO_OK);
    const Analysis analysis = measured();
    std::size_t count = poison;
    std::vector<float> few(10, 3.0F);
    REFUSED(sipo_analysis_get_reals(analysis.get(), SIPO_ANALYSIS_MAPS, few.data(), 10, &count),
            SIPO_BUFFER_TOO_SMALL);
    for (const std::int32_t id : {least, 0, 101, std::int32_t{SIPO_ANALYSIS_PLACES}, most}) {
        REFUSED(sipo_analysis_get_reals(analysis.get(), id, nullptr, 0, &count), SIPO_OUT_OF_RANGE);
    }
    for (const std::int32_t id : {least, 0, 501, std::int32_t{SIPO_ANALYSIS_MAPS}, most}) {
        REFUSED(sipo_analysis_get_integers(analysis.get(), id, nullptr, 0, &count),
                SIPO_OUT_OF_RANGE);
    }
    EXPECT_EQ(count, poison);
    EXPECT_EQ(few, std::vector<float>(10, 3.0F));
}

TEST_F(Analyses, KeepTheirMemoryLimit) {
    std::int64_t bytes = 0;
    const auto length = static_cast<std::int64_t>(prompt.size());
    ASSERT_EQ(sipo_analysis_memory(options.get(), how.get(), length, &bytes), SIPO_OK);
    auto* out = poisoned<sipo_analysis>();
    ASSERT_EQ(sipo_analysis_options_set_memory_limit(how.get(), bytes - 1), SIPO_OK);
    REFUSED_SAYING(sipo_analyze(options.get(), prompt.data(), prompt.size(), how.get(), &out),
                   SIPO_OUT_OF_MEMORY, std::to_string(bytes));
    ASSERT_EQ(sipo_analysis_options_set_memory_limit(how.get(), bytes), SIPO_OK);
    EXPECT_NE(measured(), nullptr);
}

TEST_F(Analyses, AreCancelledByTheirProgress) {
    std::uint64_t calls = 0;
    const auto stop = [](void* user, std::uint64_t, std::uint64_t) {
        return ++*static_cast<std::uint64_t*>(user) == 20 ? 1 : 0;
    };
    ASSERT_EQ(sipo_analysis_options_set_progress(how.get(), stop, &calls), SIPO_OK);
    auto* out = poisoned<sipo_analysis>();
    REFUSED(sipo_analyze(options.get(), prompt.data(), prompt.size(), how.get(), &out),
            SIPO_CANCELLED);
    EXPECT_EQ(calls, 20U);
    EXPECT_EQ(out, poisoned<sipo_analysis>());
}

TEST_F(Analyses, TakeTheThreadsOfWorkers) {
    const Analysis own = measured();
    sipo_workers* workers = nullptr;
    ASSERT_EQ(sipo_workers_create(model.get(), 2, &workers), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_workers(options.get(), workers), SIPO_OK);
    sipo_workers_free(workers);
    const Analysis shared = measured();
    EXPECT_EQ(reals(own, SIPO_ANALYSIS_LOG_DECAY), reals(shared, SIPO_ANALYSIS_LOG_DECAY));
    EXPECT_EQ(reals(own, SIPO_ANALYSIS_MAPS), reals(shared, SIPO_ANALYSIS_MAPS));
}

}  // namespace
