// Objects that are freed in any order, and thousands of them: memory stays flat.
#include <malloc.h>
#include <unistd.h>

#include <fstream>

#include "support.hpp"

namespace {

using namespace sipo_tests;

#ifdef __GLIBC__
// The arenas of threads keep freed memory, how much depends on how the threads happen to run.
[[maybe_unused]] const int one_arena = mallopt(M_ARENA_MAX, 1);
#endif

// Resident memory of this process in bytes, less what the allocator only keeps for later.
std::int64_t resident_bytes() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    std::ifstream statm("/proc/self/statm");
    std::int64_t size = 0;
    std::int64_t resident = 0;
    statm >> size >> resident;
    return resident * sysconf(_SC_PAGESIZE);
}

// How much memory grows over `times` steps, after some to warm up.
template <typename Step>
std::int64_t growth_over(int times, const Step& step) {
    for (int i = 0; i < times / 10; ++i) step(i);
    const std::int64_t before = resident_bytes();
    for (int i = 0; i < times; ++i) step(i);
    return resident_bytes() - before;
}

constexpr std::int64_t tolerated_growth = std::int64_t{4} << 20;

#ifdef SIPO_SANITIZED
constexpr bool memory_is_measurable = false;  // sanitizers keep freed memory; they look for leaks
constexpr int rounds = 40;
constexpr int error_rounds = 400;
#else
constexpr bool memory_is_measurable = true;
constexpr int rounds = 2000;
constexpr int error_rounds = 10000;
#endif

void expect_flat(std::int64_t growth) {
    EXPECT_TRUE(growth < tolerated_growth || !memory_is_measurable) << growth << " bytes more";
}

TEST(HostileLifetime, AModelMayGoBeforeItsSessions) {
    Model model = open_model();
    SessionOptions options = options_for(model);
    Calibration calibration = calibrated(model);
    ASSERT_EQ(sipo_session_options_set_context(options.get(), SIPO_CONTEXT_LONGMAMBA), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_calibration(options.get(), calibration.get()), SIPO_OK);
    calibration.reset();
    model.reset();
    const Session session = session_for(options);
    options.reset();
    const std::vector<std::int32_t> ids = some_ids(200);
    ASSERT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    std::size_t generated = 0;
    EXPECT_EQ(sipo_session_generate(session.get(), nullptr, 5, nullptr, nullptr, &generated),
              SIPO_OK);
}

TEST(HostileLifetime, OptionsMayChangeAfterASessionWasMade) {
    const Model model = open_model();
    const SessionOptions options = options_for(model);
    const Session session = session_for(options);
    ASSERT_EQ(sipo_session_options_set_context(options.get(), SIPO_CONTEXT_DECIMAMBA), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_decimation_capacity(options.get(), 20), SIPO_OK);
    const std::vector<std::int32_t> ids = some_ids(100);
    ASSERT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    std::size_t kept = 0;
    EXPECT_EQ(sipo_session_kept_tokens(session.get(), nullptr, 0, &kept), SIPO_OK);
    EXPECT_EQ(kept, 100U);
}

TEST(HostileLifetime, SessionsLeaveNoMemory) {
    const Model model = open_model();
    const SessionOptions options = options_for(model, 2);
    const std::vector<std::int32_t> ids = some_ids(4);
    expect_flat(growth_over(rounds, [&](int i) {
        const Session session = session_for(options);
        if (i % 8 == 0) sipo_session_prefill(session.get(), ids.data(), ids.size());
    }));
}

TEST(HostileLifetime, ModelsLeaveNoMemory) {
    expect_flat(growth_over(rounds / 40, [](int) { (void)open_model(); }));
}

TEST(HostileLifetime, OptionsLeaveNoMemory) {
    const Model model = open_model();
    const std::int32_t layers[] = {1, 2, 3};
    expect_flat(growth_over(rounds, [&](int) {
        const SessionOptions options = options_for(model);
        sipo_session_options_set_layers(options.get(), layers, 3);
        const ModelOptions model_options = made<ModelOptions>(sipo_model_options_create);
        sipo_model_options_set_backend(model_options.get(), "cpu");
        (void)made<SamplingOptions>(sipo_sampling_options_create);
        (void)made<ImportOptions>(sipo_import_options_create);
        (void)made<CalibrationOptions>(sipo_calibration_options_create);
    }));
}

// One of each kind in turn: a NULL, a number, a token in a prompt, a name, a file, a state.
TEST(HostileLifetime, ErrorsLeaveNoMemory) {
    const Model model = open_model();
    const SessionOptions options = options_for(model);
    const Session session = session_for(options);
    const std::int32_t wrong[] = {1, 2, -1};
    const std::string missing = scratch("no-such-model.sipo");
    sipo_model* opened = nullptr;
    std::size_t count = 0;
    int calls = 0;
    int failures = 0;
    expect_flat(growth_over(error_rounds, [&](int i) {
        sipo_status status = SIPO_OK;
        ++calls;
        switch (i % 6) {
            case 0: status = sipo_session_prefill(session.get(), nullptr, 3); break;
            case 1: status = sipo_session_options_set_decimation_rate(options.get(), 2.0); break;
            case 2: status = sipo_session_prefill(session.get(), wrong, 3); break;
            case 3: status = sipo_session_options_set_profile(options.get(), "absent"); break;
            case 4: status = sipo_model_open(missing.c_str(), nullptr, &opened); break;
            default: status = sipo_session_logits(session.get(), nullptr, 0, &count); break;
        }
        failures += status != SIPO_OK && *sipo_last_error_message() != '\0' ? 1 : 0;
    }));
    EXPECT_EQ(failures, calls);
    EXPECT_EQ(opened, nullptr);
}

TEST(HostileLifetime, CancelledPromptsLeaveNoMemory) {
    const Model model = open_model();
    const SessionOptions options = options_for(model);
    const auto cancel = [](void*, std::uint64_t, std::uint64_t) { return 1; };
    ASSERT_EQ(sipo_session_options_set_progress(options.get(), cancel, nullptr), SIPO_OK);
    const Session session = session_for(options);
    const std::vector<std::int32_t> ids = some_ids(16);
    expect_flat(growth_over(rounds / 4, [&](int) {
        EXPECT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_CANCELLED);
    }));
}

}  // namespace
