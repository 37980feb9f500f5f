// Calls at the wrong time, or with what does not fit; what a refusal leaves; and a host with a
// locale.
#include <cstdio>
#include <locale>

#include "hostile_fixture.hpp"

namespace {

using namespace sipo_tests;

using HostileState = HostileArguments;

TEST_F(HostileState, NothingIsGeneratedBeforeTheFirstToken) {
    auto* const s = session.get();
    std::size_t count = poison;
    float logit = -7.0F;
    std::int32_t token = -7;
    REFUSED(sipo_session_logits(s, &logit, 1, &count), SIPO_INVALID_STATE);
    REFUSED(sipo_session_likeliest(s, &token), SIPO_INVALID_STATE);
    REFUSED(sipo_session_generate(s, nullptr, 1, nullptr, nullptr, &count), SIPO_INVALID_STATE);
    EXPECT_EQ(count, poison);
    EXPECT_EQ(logit, -7.0F);
    EXPECT_EQ(token, -7);
    read_prompt();
    ASSERT_EQ(sipo_session_reset(s), SIPO_OK);
    EXPECT_EQ(position_of(session), 0);
    REFUSED(sipo_session_logits(s, &logit, 1, &count), SIPO_INVALID_STATE);
}

TEST_F(HostileState, ACalibrationOfAnotherShapeIsRefused) {
    const Model other = open_model(mamba2_path());
    const Calibration foreign = calibrated(other);
    REFUSED_SAYING(sipo_session_options_set_calibration(options.get(), foreign.get()),
                   SIPO_INVALID_ARGUMENT, "512", "8");
}

// A setter that refuses leaves what was set before.
TEST_F(HostileState, ARefusedValueChangesNothing) {
    auto* const o = sampling.get();
    read_prompt();
    ASSERT_EQ(sipo_sampling_options_set_temperature(o, 1.5), SIPO_OK);
    ASSERT_EQ(sipo_sampling_options_set_seed(o, 7), SIPO_OK);
    const Session twin = session_for(options);
    ASSERT_EQ(sipo_session_prefill(twin.get(), ids.data(), ids.size()), SIPO_OK);
    std::size_t generated = 0;
    ASSERT_EQ(sipo_session_generate(session.get(), o, 6, nullptr, nullptr, &generated), SIPO_OK);
    REFUSED(sipo_sampling_options_set_temperature(o, not_a_number), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_sampling_options_set_top_k(o, -1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_sampling_options_set_repetition_penalty(o, 50.0, -1), SIPO_OUT_OF_RANGE);
    ASSERT_EQ(sipo_session_generate(twin.get(), o, 6, nullptr, nullptr, &generated), SIPO_OK);
    EXPECT_EQ(logits_of(session), logits_of(twin));
}

class Grouping : public std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
};

// The host's locale, for the time of a test.
class GroupingLocale {
public:
    GroupingLocale() : before_(std::locale::global({std::locale(), new Grouping})) {}
    ~GroupingLocale() { std::locale::global(before_); }
    GroupingLocale(const GroupingLocale&) = delete;
    GroupingLocale& operator=(const GroupingLocale&) = delete;

private:
    std::locale before_;
};

TEST_F(HostileState, TheHostsLocaleDoesNotShowInMessages) {
    const GroupingLocale locale;
    REFUSED_SAYING(sipo_session_decode(session.get(), 123456), SIPO_OUT_OF_RANGE, "123456",
                   "0 to 4095");
    REFUSED_SAYING(sipo_session_options_set_decimation_rate(options.get(), 1.5), SIPO_OUT_OF_RANGE,
                   "1.5");
}

TEST_F(HostileState, TheHostsLocaleDoesNotShowInFiles) {
    const GroupingLocale locale;
    const std::string path = scratch("locale.sipo");
    ASSERT_EQ(sipo_import(checkpoint_path().c_str(), path.c_str(), nullptr), SIPO_OK)
        << sipo_last_error_message();
    ASSERT_EQ(sipo_calibration_save(calibration.get(), path.c_str(), "locale"), SIPO_OK);
    const Model imported = open_model(path);
    std::remove(path.c_str());
    const SessionOptions imported_options = options_for(imported);
    const Session twin = session_for(imported_options);
    ASSERT_EQ(sipo_session_prefill(twin.get(), ids.data(), ids.size()), SIPO_OK);
    read_prompt();
    EXPECT_EQ(logits_of(twin), logits_of(session));
}

}  // namespace
