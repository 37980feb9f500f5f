// Arguments that no caller should pass: NULL, numbers out of range, counts that no array has, and room
// that does not suffice. Every call refuses them with a line about it and writes nothing.
#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>

#include "support.hpp"

namespace {

using namespace abi;

constexpr std::size_t huge = std::numeric_limits<std::size_t>::max();
constexpr std::size_t negative = std::size_t{1} << 63U;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t longest = std::int64_t{1} << 40;

// Out-parameters hold this before a call that must not write them.
constexpr std::size_t poison = 0x5a5a5a5aU;

template <typename Object>
Object* poisoned() {
    return reinterpret_cast<Object*>(poison);
}

// A model with a calibration, and one object of every type made from it.
class HostileArguments : public testing::Test {
protected:
    Model model = open_model();
    Calibration calibration = calibrated(model);
    SessionOptions options = options_for(model);
    Session session = session_for(options);
    ModelOptions model_options = made<ModelOptions>(sipo_model_options_create);
    ImportOptions import_options = made<ImportOptions>(sipo_import_options_create);
    CalibrationOptions calibration_options =
        made<CalibrationOptions>(sipo_calibration_options_create);
    SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    std::vector<std::int32_t> ids = some_ids(8);

    void read_prompt() {
        ASSERT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    }
};

using HostileNull = HostileArguments;
using HostileRange = HostileArguments;
using HostileCounts = HostileArguments;
using HostileRoom = HostileArguments;

int no_progress(void*, std::uint64_t, std::uint64_t) { return 0; }
int no_log(void*, std::int32_t, const char*, std::size_t) { return 0; }

// ---- NULL ------------------------------------------------------------------------------------------

TEST_F(HostileNull, IsFreedLikeAnObject) {
    sipo_import_options_free(nullptr);
    sipo_model_options_free(nullptr);
    sipo_model_free(nullptr);
    sipo_calibration_options_free(nullptr);
    sipo_calibration_free(nullptr);
    sipo_session_options_free(nullptr);
    sipo_session_free(nullptr);
    sipo_sampling_options_free(nullptr);
}

TEST_F(HostileNull, IsRefusedByImport) {
    auto* const o = import_options.get();
    const std::string from = checkpoint_path();
    REFUSED(sipo_import_options_create(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import_options_set_weights(nullptr, SIPO_WEIGHTS_F32), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import_options_set_store(nullptr, SIPO_STORE_RAW), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import_options_set_threads(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import_options_set_training_length(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import_options_set_progress(nullptr, no_progress, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_import_options_set_progress(o, nullptr, nullptr), SIPO_OK);
    REFUSED(sipo_import(nullptr, "out.sipo", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import(from.c_str(), nullptr, o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import("", "out.sipo", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import(from.c_str(), "", o), SIPO_INVALID_ARGUMENT);
}

TEST_F(HostileNull, IsRefusedByModelOptions) {
    auto* const o = model_options.get();
    REFUSED(sipo_model_options_create(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_backend(nullptr, "cpu"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_backend(o, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_backend(o, ""), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_threads(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_progress(nullptr, no_progress, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_log(nullptr, no_log, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_model_options_set_progress(o, nullptr, nullptr), SIPO_OK);
    EXPECT_EQ(sipo_model_options_set_log(o, nullptr, nullptr), SIPO_OK);
}

TEST_F(HostileNull, IsRefusedByModels) {
    auto* const m = model.get();
    auto* opened = poisoned<sipo_model>();
    REFUSED(sipo_model_open(nullptr, nullptr, &opened), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_open("", nullptr, &opened), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(opened, poisoned<sipo_model>());
    REFUSED(sipo_model_open(mamba1_path().c_str(), nullptr, nullptr), SIPO_INVALID_ARGUMENT);

    std::int64_t value = poison;
    REFUSED(sipo_model_get_integer(nullptr, SIPO_MODEL_LAYERS, &value), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_get_integer(m, SIPO_MODEL_LAYERS, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(value, std::int64_t{poison});

    char text[64] = "untouched";
    std::size_t length = poison;
    REFUSED(sipo_model_get_text(nullptr, SIPO_MODEL_FAMILY, text, 64, &length),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_get_text(m, SIPO_MODEL_FAMILY, nullptr, 64, &length), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_get_text(m, SIPO_MODEL_FAMILY, text, 64, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_profile_name(nullptr, 0, text, 64, &length), SIPO_INVALID_ARGUMENT);
    EXPECT_STREQ(text, "untouched");
    EXPECT_EQ(length, poison);
}

TEST_F(HostileNull, IsRefusedByProfileName) {
    const std::string path = testing::TempDir() + "sipo_null_profile.sipo";
    ASSERT_EQ(sipo_import(checkpoint_path().c_str(), path.c_str(), nullptr), SIPO_OK);
    ASSERT_EQ(sipo_calibration_save(calibration.get(), path.c_str(), "tiny"), SIPO_OK);
    const Model with_profile = open_model(path);
    std::remove(path.c_str());
    char name[64] = "untouched";
    std::size_t length = poison;
    REFUSED(sipo_model_profile_name(with_profile.get(), 0, nullptr, 64, &length),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_profile_name(with_profile.get(), 0, name, 64, nullptr),
            SIPO_INVALID_ARGUMENT);
    REFUSED_SAYING(sipo_model_profile_name(with_profile.get(), 1, name, 64, &length),
                   SIPO_OUT_OF_RANGE, "1");
    REFUSED_SAYING(sipo_model_profile_name(with_profile.get(), -1, name, 64, &length),
                   SIPO_OUT_OF_RANGE, "-1");
    REFUSED(sipo_model_profile_name(with_profile.get(), 0, name, 3, &length),
            SIPO_BUFFER_TOO_SMALL);
    EXPECT_STREQ(name, "untouched");
    EXPECT_EQ(length, poison);
    EXPECT_EQ(sipo_model_profile_name(with_profile.get(), 0, name, 4, &length), SIPO_OK);
    EXPECT_EQ(std::string(name, length), "tiny");
}

TEST_F(HostileNull, IsRefusedByTheTokenizer) {
    auto* const m = model.get();
    std::int32_t out_ids[4] = {-7, -7, -7, -7};
    char text[16] = "untouched";
    std::size_t count = poison;
    REFUSED(sipo_model_tokenize(nullptr, "a", 1, out_ids, 4, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_tokenize(m, nullptr, 1, out_ids, 4, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_tokenize(m, "a", 1, nullptr, 4, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_tokenize(m, "a", 1, out_ids, 4, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(nullptr, ids.data(), 1, text, 16, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(m, nullptr, 1, text, 16, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(m, ids.data(), 1, nullptr, 16, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(m, ids.data(), 1, text, 16, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_TRUE(std::all_of(out_ids, out_ids + 4, [](std::int32_t id) { return id == -7; }));
    EXPECT_STREQ(text, "untouched");
    EXPECT_EQ(count, poison);
}

TEST_F(HostileNull, IsRefusedByCalibration) {
    auto* const o = calibration_options.get();
    REFUSED(sipo_calibration_options_create(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_options_set_clamp(nullptr, 0.1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_options_set_threads(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_options_set_progress(nullptr, no_progress, nullptr),
            SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_calibration_options_set_progress(o, nullptr, nullptr), SIPO_OK);
    auto* measured = poisoned<sipo_calibration>();
    REFUSED(sipo_calibrate(nullptr, ids.data(), 1, 8, o, &measured), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibrate(model.get(), nullptr, 1, 8, o, &measured), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibrate(model.get(), ids.data(), 1, 8, o, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(measured, poisoned<sipo_calibration>());
}

TEST_F(HostileNull, IsRefusedByACalibrationsResults) {
    auto* const c = calibration.get();
    REFUSED(sipo_calibration_save(nullptr, "x.sipo", "a"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_save(c, nullptr, "a"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_save(c, "", "a"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_save(c, "x.sipo", nullptr), SIPO_INVALID_ARGUMENT);
    float real = -7.0F;
    std::int64_t length = -7;
    std::size_t count = poison;
    REFUSED(sipo_calibration_log_decay(nullptr, &real, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_log_decay(c, nullptr, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_log_decay(c, nullptr, 0, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_threshold_table(nullptr, &real, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_threshold_table(c, nullptr, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_threshold_table(c, nullptr, 0, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_lengths(nullptr, &length, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_lengths(c, nullptr, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_calibration_lengths(c, nullptr, 0, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(real, -7.0F);
    EXPECT_EQ(length, -7);
    EXPECT_EQ(count, poison);
}

TEST_F(HostileNull, IsRefusedBySessionOptions) {
    auto* const o = options.get();
    auto* created = poisoned<sipo_session_options>();
    const std::int32_t layers[] = {0, 1};
    REFUSED(sipo_session_options_create(nullptr, &created), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(created, poisoned<sipo_session_options>());
    REFUSED(sipo_session_options_create(model.get(), nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_context(nullptr, SIPO_CONTEXT_NONE), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_decimation_rate(nullptr, 0.5), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_decimation_capacity(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_decimation_min_tokens(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_protected_tail(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_layers(nullptr, layers, 2), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_layers(o, nullptr, 2), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_all_layers(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_global_channel_threshold(nullptr, 0.5), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_filtered_channels(nullptr, SIPO_CHANNELS_LOCAL, 1),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_profile(nullptr, "default"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_profile(o, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_profile(o, ""), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_calibration(nullptr, calibration.get()), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_calibration(o, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_expected_tokens(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_threads(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_chunk_tokens(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_progress(nullptr, no_progress, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_session_options_set_progress(o, nullptr, nullptr), SIPO_OK);
    auto* s = poisoned<sipo_session>();
    REFUSED(sipo_session_create(nullptr, &s), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(s, poisoned<sipo_session>());
    REFUSED(sipo_session_create(o, nullptr), SIPO_INVALID_ARGUMENT);
}

TEST_F(HostileNull, IsRefusedByPrompts) {
    auto* const s = session.get();
    const std::size_t n = ids.size();
    std::vector<float> logits(4096, -7.0F);
    float nll = -7.0F;
    REFUSED(sipo_session_prefill(nullptr, ids.data(), n), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill(s, nullptr, n), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(nullptr, ids.data(), n, 1, logits.data(), 4096),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(s, nullptr, n, 1, logits.data(), 4096),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(s, ids.data(), n, 1, nullptr, 4096), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(s, ids.data(), n, 1, nullptr, 0), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_score(nullptr, ids.data(), n, 1, &nll), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_score(s, nullptr, n, 1, &nll), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_score(s, ids.data(), n, 1, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_decode(nullptr, 1), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(position_of(session), 0);
    EXPECT_EQ(nll, -7.0F);
    EXPECT_EQ(std::count(logits.begin(), logits.end(), -7.0F), 4096);
}

TEST_F(HostileNull, IsRefusedBySessionsResults) {
    read_prompt();
    auto* const s = session.get();
    float logit = -7.0F;
    std::int64_t index = -7;
    char name[64] = "untouched";
    std::size_t count = poison;
    REFUSED(sipo_session_logits(nullptr, &logit, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_logits(s, nullptr, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_logits(s, nullptr, 0, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_position(nullptr, &index), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_position(s, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_kept_tokens(nullptr, &index, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_kept_tokens(s, nullptr, 1, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_kept_tokens(s, nullptr, 0, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_backend_name(nullptr, name, 64, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_backend_name(s, nullptr, 64, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_backend_name(s, name, 64, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_generate(nullptr, nullptr, 1, nullptr, nullptr, &count),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_generate(s, nullptr, 1, nullptr, nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_reset(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_cancel(nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(logit, -7.0F);
    EXPECT_EQ(index, -7);
    EXPECT_STREQ(name, "untouched");
    EXPECT_EQ(count, poison);
    EXPECT_EQ(position_of(session), 8);
}

// What is wrong with the arguments goes before what is wrong with the session.
TEST_F(HostileNull, IsRefusedBeforeTheFirstTokenToo) {
    REFUSED(sipo_session_logits(session.get(), nullptr, 0, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_generate(session.get(), nullptr, 1, nullptr, nullptr, nullptr),
            SIPO_INVALID_ARGUMENT);
}

TEST_F(HostileNull, IsRefusedBySamplingOptions) {
    REFUSED(sipo_sampling_options_create(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_temperature(nullptr, 1.0), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_top_k(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_top_p(nullptr, 1.0), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_min_p(nullptr, 0.0), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_repetition_penalty(nullptr, 1.0, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_seed(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_ignore_end_of_text(nullptr, 1), SIPO_INVALID_ARGUMENT);
}

// ---- Numbers ---------------------------------------------------------------------------------------

TEST_F(HostileRange, Threads) {
    for (const std::int32_t threads : {-1, 257, least, most}) {
        const std::string value = std::to_string(threads);
        REFUSED_SAYING(sipo_import_options_set_threads(import_options.get(), threads),
                       SIPO_OUT_OF_RANGE, value, "0 to 256");
        REFUSED_SAYING(sipo_model_options_set_threads(model_options.get(), threads),
                       SIPO_OUT_OF_RANGE, value, "0 to 256");
        REFUSED_SAYING(sipo_calibration_options_set_threads(calibration_options.get(), threads),
                       SIPO_OUT_OF_RANGE, value, "0 to 256");
        REFUSED_SAYING(sipo_session_options_set_threads(options.get(), threads), SIPO_OUT_OF_RANGE,
                       value, "0 to 256");
    }
    EXPECT_EQ(sipo_session_options_set_threads(options.get(), 256), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_threads(options.get(), 0), SIPO_OK);
}

TEST_F(HostileRange, Enumerators) {
    for (const std::int32_t unknown : {-1, 1, 99, 101, least, most}) {
        const std::string value = std::to_string(unknown);
        REFUSED_SAYING(sipo_import_options_set_weights(import_options.get(), unknown),
                       SIPO_OUT_OF_RANGE, value, "SIPO_WEIGHTS_BF16");
        REFUSED_SAYING(sipo_import_options_set_store(import_options.get(), unknown),
                       SIPO_OUT_OF_RANGE, value, "SIPO_STORE_RAW");
        REFUSED_SAYING(sipo_session_options_set_context(options.get(), unknown), SIPO_OUT_OF_RANGE,
                       value, "longmamba");
        REFUSED_SAYING(sipo_session_options_set_filtered_channels(options.get(), unknown, 0),
                       SIPO_OUT_OF_RANGE, value, "SIPO_CHANNELS_RANDOM");
        std::int64_t integer_value = poison;
        REFUSED_SAYING(sipo_model_get_integer(model.get(), unknown, &integer_value),
                       SIPO_OUT_OF_RANGE, value);
        EXPECT_EQ(integer_value, std::int64_t{poison});
        std::size_t length = poison;
        REFUSED_SAYING(sipo_model_get_text(model.get(), unknown, nullptr, 0, &length),
                       SIPO_OUT_OF_RANGE, value);
        EXPECT_EQ(length, poison);
    }
    EXPECT_STRNE(sipo_status_name(-1), "");
    EXPECT_STRNE(sipo_status_name(most), "");
}

TEST_F(HostileRange, EveryPropertyHasItsKind) {
    std::int64_t value = 0;
    std::size_t length = 0;
    for (std::int32_t property = SIPO_MODEL_LAYERS; property <= SIPO_MODEL_PROFILES; property += 10) {
        EXPECT_EQ(sipo_model_get_integer(model.get(), property, &value), SIPO_OK) << property;
        EXPECT_GE(value, 0) << property;
        REFUSED(sipo_model_get_text(model.get(), property, nullptr, 0, &length), SIPO_OUT_OF_RANGE);
    }
    for (std::int32_t property = SIPO_MODEL_FAMILY; property <= SIPO_MODEL_SOURCE; property += 10) {
        EXPECT_EQ(sipo_model_get_text(model.get(), property, nullptr, 0, &length), SIPO_OK);
        EXPECT_GT(length, 0U) << property;
        REFUSED(sipo_model_get_integer(model.get(), property, &value), SIPO_OUT_OF_RANGE);
    }
}

TEST_F(HostileRange, Decimation) {
    auto* const o = options.get();
    for (const double rate : {0.0, -1.0, 1.1, 1.0 + 1e-15, -0.0, nan, infinity, -infinity}) {
        REFUSED_SAYING(sipo_session_options_set_decimation_rate(o, rate), SIPO_OUT_OF_RANGE,
                       "decimation_rate", "(0, 1]");
    }
    REFUSED_SAYING(sipo_session_options_set_decimation_rate(o, nan), SIPO_OUT_OF_RANGE, "nan");
    REFUSED_SAYING(sipo_session_options_set_decimation_rate(o, 1.5), SIPO_OUT_OF_RANGE, "1.5");
    EXPECT_EQ(sipo_session_options_set_decimation_rate(o, 1.0), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_decimation_rate(o, 5e-324), SIPO_OK);
    for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{-1}, longest + 1,
                                      std::numeric_limits<std::int64_t>::min(),
                                      std::numeric_limits<std::int64_t>::max()}) {
        const std::string value = std::to_string(tokens);
        REFUSED_SAYING(sipo_session_options_set_decimation_capacity(o, tokens), SIPO_OUT_OF_RANGE,
                       value, "1 to 1099511627776");
        REFUSED_SAYING(sipo_session_options_set_decimation_min_tokens(o, tokens), SIPO_OUT_OF_RANGE,
                       value, "1 to 1099511627776");
        REFUSED_SAYING(sipo_session_options_set_protected_tail(o, tokens), SIPO_OUT_OF_RANGE, value,
                       "1 to 1099511627776");
    }
}

// The extremes that are legal run, and keep what they must.
TEST_F(HostileRange, DecimationAtItsLegalExtremes) {
    auto* const o = options.get();
    const std::vector<std::int32_t> prompt = some_ids(40);
    ASSERT_EQ(sipo_session_options_set_context(o, SIPO_CONTEXT_DECIMAMBA), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_all_layers(o), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_decimation_rate(o, 5e-324), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_decimation_min_tokens(o, 1), SIPO_OK);
    for (const std::int64_t capacity : {std::int64_t{1}, longest}) {
        for (const std::int64_t tail : {std::int64_t{1}, longest}) {
            ASSERT_EQ(sipo_session_options_set_decimation_capacity(o, capacity), SIPO_OK);
            ASSERT_EQ(sipo_session_options_set_protected_tail(o, tail), SIPO_OK);
            const Session extreme = session_for(options);
            ASSERT_EQ(sipo_session_prefill(extreme.get(), prompt.data(), prompt.size()), SIPO_OK)
                << sipo_last_error_message();
            std::size_t kept = 0;
            EXPECT_EQ(sipo_session_kept_tokens(extreme.get(), nullptr, 0, &kept), SIPO_OK);
            EXPECT_EQ(kept, tail == longest ? prompt.size() : 2U);
        }
    }
}

TEST_F(HostileRange, Layers) {
    auto* const o = options.get();
    const std::int32_t outside[] = {0, 8};
    const std::int32_t below[] = {-1};
    const std::int32_t extreme[] = {most};
    const std::int32_t repeated[] = {3, 1, 3};
    const std::int32_t many[] = {0, 1, 2, 3, 4, 5, 6, 7, 0};
    REFUSED_SAYING(sipo_session_options_set_layers(o, outside, 2), SIPO_OUT_OF_RANGE, "8", "0 to 7");
    REFUSED_SAYING(sipo_session_options_set_layers(o, below, 1), SIPO_OUT_OF_RANGE, "-1", "0 to 7");
    REFUSED_SAYING(sipo_session_options_set_layers(o, extreme, 1), SIPO_OUT_OF_RANGE, "2147483647");
    REFUSED_SAYING(sipo_session_options_set_layers(o, repeated, 3), SIPO_INVALID_ARGUMENT, "3",
                   "twice");
    REFUSED_SAYING(sipo_session_options_set_layers(o, many, 9), SIPO_OUT_OF_RANGE, "9", "1 to 8");
    REFUSED(sipo_session_options_set_layers(o, outside, 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_options_set_layers(o, outside, huge), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(sipo_session_options_set_layers(o, many, 8), SIPO_OK);
}

TEST_F(HostileRange, LongMamba) {
    auto* const o = options.get();
    for (const double threshold : {0.0, 1.0, -0.5, 2.0, nan, infinity, -infinity}) {
        REFUSED_SAYING(sipo_session_options_set_global_channel_threshold(o, threshold),
                       SIPO_OUT_OF_RANGE, "global_channel_threshold", "(0, 1)");
    }
    for (const std::int64_t tokens : {std::int64_t{-1}, longest + 1}) {
        REFUSED_SAYING(sipo_session_options_set_expected_tokens(o, tokens), SIPO_OUT_OF_RANGE,
                       std::to_string(tokens), "0 to 1099511627776");
    }
    REFUSED_SAYING(sipo_session_options_set_profile(o, "absent"), SIPO_NOT_FOUND, "absent");
    REFUSED(sipo_session_options_set_profile(o, "\x80\xff\n\x1b[31m"), SIPO_NOT_FOUND);
    REFUSED(sipo_session_options_set_profile(o, std::string(100000, 'x').c_str()), SIPO_NOT_FOUND);

    ASSERT_EQ(sipo_session_options_set_context(o, SIPO_CONTEXT_LONGMAMBA), SIPO_OK);
    auto* s = poisoned<sipo_session>();
    REFUSED_SAYING(sipo_session_create(o, &s), SIPO_NOT_FOUND, "default");
    EXPECT_EQ(s, poisoned<sipo_session>());
}

TEST_F(HostileRange, LongMambaAtItsLegalExtremes) {
    auto* const o = options.get();
    ASSERT_EQ(sipo_session_options_set_context(o, SIPO_CONTEXT_LONGMAMBA), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_calibration(o, calibration.get()), SIPO_OK);
    for (const double threshold : {5e-324, 0.5, 1.0 - 1e-16}) {
        for (const std::int64_t expected : {std::int64_t{0}, std::int64_t{1}, longest}) {
            ASSERT_EQ(sipo_session_options_set_global_channel_threshold(o, threshold), SIPO_OK);
            ASSERT_EQ(sipo_session_options_set_expected_tokens(o, expected), SIPO_OK);
            const Session extreme = session_for(options);
            ASSERT_EQ(sipo_session_prefill(extreme.get(), ids.data(), ids.size()), SIPO_OK)
                << sipo_last_error_message();
            for (const float logit : logits_of(extreme)) ASSERT_TRUE(std::isfinite(logit));
        }
    }
}

TEST_F(HostileRange, ChunksAndTrainingLength) {
    for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{65537},
                                      std::numeric_limits<std::int64_t>::max()}) {
        REFUSED_SAYING(sipo_session_options_set_chunk_tokens(options.get(), tokens),
                       SIPO_OUT_OF_RANGE, std::to_string(tokens), "1 to 65536");
    }
    for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 31,
                                      std::numeric_limits<std::int64_t>::min()}) {
        REFUSED_SAYING(sipo_import_options_set_training_length(import_options.get(), tokens),
                       SIPO_OUT_OF_RANGE, std::to_string(tokens), "1 to 2147483647");
    }
}

TEST_F(HostileRange, Calibration) {
    for (const double clamp : {-0.1, 1.0, nan, infinity}) {
        REFUSED_SAYING(sipo_calibration_options_set_clamp(calibration_options.get(), clamp),
                       SIPO_OUT_OF_RANGE, "clamp", "[0, 1)");
    }
    auto* measured = poisoned<sipo_calibration>();
    auto* const m = model.get();
    const std::int32_t wrong[] = {1, 4096};
    REFUSED_SAYING(sipo_calibrate(m, ids.data(), 0, 8, nullptr, &measured), SIPO_OUT_OF_RANGE,
                   "sequences", "1 to 65536");
    REFUSED(sipo_calibrate(m, ids.data(), 65537, 8, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, ids.data(), huge, 8, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, ids.data(), negative, 8, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_calibrate(m, ids.data(), 1, 1, nullptr, &measured), SIPO_OUT_OF_RANGE,
                   "length", "2 to 1048576");
    REFUSED(sipo_calibrate(m, ids.data(), 1, 1048577, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, ids.data(), 1, huge, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, ids.data(), huge, huge, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_calibrate(m, wrong, 1, 2, nullptr, &measured), SIPO_OUT_OF_RANGE, "4096",
                   "0 to 4095");
    EXPECT_EQ(measured, poisoned<sipo_calibration>());
}

TEST_F(HostileRange, ProfileNames) {
    auto* const c = calibration.get();
    const std::string path = mamba1_path();
    for (const std::string& name :
         {std::string("a b"), std::string("a/b"), std::string("\n"), std::string("caf\xc3\xa9"),
          std::string("\xff"), std::string("\x1b[31mred"), std::string(65, 'a'),
          std::string(1 << 20, 'a'), std::string(63, 'a') + "\xf0\x9f\x98\x80"}) {
        REFUSED_SAYING(sipo_calibration_save(c, path.c_str(), name.c_str()), SIPO_INVALID_ARGUMENT,
                       "1 to 64");
    }
    REFUSED(sipo_calibration_save(c, path.c_str(), ""), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(integer(open_model(), SIPO_MODEL_PROFILES), 0);
}

TEST_F(HostileRange, Backends) {
    for (const std::string& name : {std::string("gpu"), std::string("CPU"), std::string("cpu\n"),
                                    std::string("\xff\xfe"), std::string(1 << 20, 'x')}) {
        REFUSED(sipo_model_options_set_backend(model_options.get(), name.c_str()), SIPO_NOT_FOUND);
    }
    REFUSED_SAYING(sipo_model_options_set_backend(model_options.get(), "gpu"), SIPO_NOT_FOUND, "gpu",
                   "auto", "cpu");
}

TEST_F(HostileRange, Sampling) {
    auto* const o = sampling.get();
    for (const double value : {-0.1, 100.1, nan, infinity}) {
        REFUSED_SAYING(sipo_sampling_options_set_temperature(o, value), SIPO_OUT_OF_RANGE,
                       "temperature", "[0, 100]");
    }
    for (const std::int32_t k : {-1, (1 << 24) + 1, least, most}) {
        REFUSED_SAYING(sipo_sampling_options_set_top_k(o, k), SIPO_OUT_OF_RANGE, std::to_string(k),
                       "0 to 16777216");
    }
    for (const double p : {0.0, -0.5, 1.1, nan, infinity}) {
        REFUSED_SAYING(sipo_sampling_options_set_top_p(o, p), SIPO_OUT_OF_RANGE, "(0, 1]");
    }
    for (const double p : {-0.5, 1.1, nan, -infinity}) {
        REFUSED_SAYING(sipo_sampling_options_set_min_p(o, p), SIPO_OUT_OF_RANGE, "[0, 1]");
    }
    for (const double penalty : {0.0, -1.0, 100.1, nan, infinity}) {
        REFUSED_SAYING(sipo_sampling_options_set_repetition_penalty(o, penalty, 1),
                       SIPO_OUT_OF_RANGE, "penalty", "(0, 100]");
    }
    for (const std::int64_t window : {std::int64_t{-1}, std::int64_t{(1 << 24) + 1}}) {
        REFUSED_SAYING(sipo_sampling_options_set_repetition_penalty(o, 1.1, window),
                       SIPO_OUT_OF_RANGE, std::to_string(window), "0 to 16777216");
    }
}

TEST_F(HostileRange, SamplingAtItsLegalExtremes) {
    auto* const o = sampling.get();
    read_prompt();
    ASSERT_EQ(sipo_sampling_options_set_ignore_end_of_text(o, least), SIPO_OK);
    ASSERT_EQ(sipo_sampling_options_set_top_k(o, 1 << 24), SIPO_OK);
    ASSERT_EQ(sipo_sampling_options_set_top_p(o, 5e-324), SIPO_OK);
    ASSERT_EQ(sipo_sampling_options_set_min_p(o, 1.0), SIPO_OK);
    for (const double temperature : {0.0, 5e-324, 100.0}) {
        for (const double penalty : {5e-324, 1e-30, 100.0}) {
            ASSERT_EQ(sipo_sampling_options_set_temperature(o, temperature), SIPO_OK);
            ASSERT_EQ(sipo_sampling_options_set_repetition_penalty(o, penalty, 1 << 24), SIPO_OK);
            std::size_t generated = 0;
            EXPECT_EQ(sipo_session_generate(session.get(), o, 4, nullptr, nullptr, &generated),
                      SIPO_OK)
                << "temperature " << temperature << ", penalty " << penalty << ": "
                << sipo_last_error_message();
            EXPECT_EQ(generated, 4U);
        }
    }
}

TEST_F(HostileRange, Tokens) {
    for (const std::int32_t id : {-1, 4096, least, most}) {
        const std::string value = std::to_string(id);
        std::vector<std::int32_t> prompt = ids;
        prompt[5] = id;
        std::vector<float> logits(4096, -7.0F);
        char text[64] = "untouched";
        std::size_t length = poison;
        float nll = -7.0F;
        REFUSED_SAYING(sipo_session_prefill(session.get(), prompt.data(), 8), SIPO_OUT_OF_RANGE,
                       "token 5", value, "0 to 4095");
        REFUSED_SAYING(
            sipo_session_prefill_logits(session.get(), prompt.data(), 8, 1, logits.data(), 4096),
            SIPO_OUT_OF_RANGE, "token 5", value, "0 to 4095");
        REFUSED_SAYING(sipo_session_score(session.get(), prompt.data(), 8, 1, &nll),
                       SIPO_OUT_OF_RANGE, "token 5", value, "0 to 4095");
        REFUSED_SAYING(sipo_session_decode(session.get(), id), SIPO_OUT_OF_RANGE, value,
                       "0 to 4095");
        REFUSED_SAYING(
            sipo_model_detokenize(model.get(), prompt.data(), 8, text, sizeof text, &length),
            SIPO_OUT_OF_RANGE, "token 5", value, "0 to 4095");
        EXPECT_EQ(std::count(logits.begin(), logits.end(), -7.0F), 4096);
        EXPECT_EQ(nll, -7.0F);
        EXPECT_STREQ(text, "untouched");
        EXPECT_EQ(length, poison);
    }
    EXPECT_EQ(position_of(session), 0);
}

// ---- Counts ----------------------------------------------------------------------------------------

TEST_F(HostileCounts, ThatNoArrayHas) {
    auto* const s = session.get();
    std::size_t count = poison;
    float real = -7.0F;
    for (const std::size_t wrong : {huge, negative, static_cast<std::size_t>(longest) + 1}) {
        const std::string value = std::to_string(wrong);
        REFUSED_SAYING(sipo_model_tokenize(model.get(), "a", wrong, nullptr, 0, &count),
                       SIPO_OUT_OF_RANGE, value, "1099511627776");
        REFUSED_SAYING(sipo_model_detokenize(model.get(), ids.data(), wrong, nullptr, 0, &count),
                       SIPO_OUT_OF_RANGE, value, "1099511627776");
        REFUSED_SAYING(sipo_session_prefill(s, ids.data(), wrong), SIPO_OUT_OF_RANGE, value,
                       "1099511627776");
        REFUSED(sipo_session_prefill(s, nullptr, wrong), SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_prefill_logits(s, ids.data(), wrong, 1, &real, huge),
                SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_prefill_logits(s, ids.data(), 8, wrong, &real, huge),
                SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_score(s, ids.data(), wrong, 1, &real), SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_score(s, ids.data(), 8, wrong, &real), SIPO_OUT_OF_RANGE);
        REFUSED_SAYING(sipo_session_generate(s, nullptr, wrong, nullptr, nullptr, &count),
                       SIPO_OUT_OF_RANGE, value, "1099511627776");
    }
    EXPECT_EQ(count, poison);
    EXPECT_EQ(real, -7.0F);
    EXPECT_EQ(position_of(session), 0);
}

// A number of results that the prompt does not have is refused before room for them is looked at.
TEST_F(HostileCounts, OfResultsThatThePromptLacks) {
    auto* const s = session.get();
    std::vector<float> out(16384, -7.0F);
    REFUSED(sipo_session_prefill_logits(s, ids.data(), 8, 0, out.data(), out.size()),
            SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_session_prefill_logits(s, ids.data(), 2, 3, out.data(), out.size()),
                   SIPO_OUT_OF_RANGE, "3", "2");
    REFUSED(sipo_session_prefill_logits(s, ids.data(), 2, 5, out.data(), out.size()),
            SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_prefill_logits(s, ids.data(), 2, static_cast<std::size_t>(longest),
                                        out.data(), huge),
            SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_score(s, ids.data(), 8, 0, out.data()), SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_session_score(s, ids.data(), 8, 8, out.data()), SIPO_OUT_OF_RANGE, "8",
                   "1 to 7");
    REFUSED(sipo_session_score(s, ids.data(), 1, 1, out.data()), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_score(s, ids.data(), 8, static_cast<std::size_t>(longest), out.data()),
            SIPO_OUT_OF_RANGE);
    EXPECT_EQ(std::count(out.begin(), out.end(), -7.0F), 16384);
    EXPECT_EQ(position_of(session), 0);
}

TEST_F(HostileCounts, OfResultsThatDeciMambaDrops) {
    ASSERT_EQ(sipo_session_options_set_context(options.get(), SIPO_CONTEXT_DECIMAMBA), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_decimation_capacity(options.get(), 20), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_protected_tail(options.get(), 4), SIPO_OK);
    const Session decimating = session_for(options);
    const std::vector<std::int32_t> prompt = some_ids(100);
    std::vector<float> out(5 * 4096, -7.0F);
    REFUSED_SAYING(sipo_session_prefill_logits(decimating.get(), prompt.data(), 100, 5, out.data(),
                                               out.size()),
                   SIPO_OUT_OF_RANGE, "protected tail", "5", "4");
    REFUSED_SAYING(sipo_session_score(decimating.get(), prompt.data(), 100, 4, out.data()),
                   SIPO_OUT_OF_RANGE, "protected tail");
    EXPECT_EQ(position_of(decimating), 0);
    EXPECT_EQ(sipo_session_score(decimating.get(), prompt.data(), 100, 3, out.data()), SIPO_OK);
}

TEST_F(HostileCounts, OfZeroTokens) {
    std::size_t count = poison;
    REFUSED(sipo_session_prefill(session.get(), ids.data(), 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_prefill(session.get(), nullptr, 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_generate(session.get(), nullptr, 0, nullptr, nullptr, &count),
            SIPO_OUT_OF_RANGE);
    EXPECT_EQ(count, poison);
    EXPECT_EQ(sipo_model_tokenize(model.get(), nullptr, 0, nullptr, 0, &count), SIPO_OK);
    EXPECT_EQ(count, 0U);
    EXPECT_EQ(sipo_model_detokenize(model.get(), nullptr, 0, nullptr, 0, &count), SIPO_OK);
    EXPECT_EQ(count, 0U);
    EXPECT_EQ(sipo_session_kept_tokens(session.get(), nullptr, 0, &count), SIPO_OK);
    EXPECT_EQ(count, 0U);
}

// ---- Room ------------------------------------------------------------------------------------------

// fill(data, capacity, &count) tells the count, refuses one less and takes exactly that.
template <typename Element, typename Fill>
void expect_exact_room(Element untouched, const Fill& fill) {
    std::size_t count = poison;
    ASSERT_EQ(fill(nullptr, 0, &count), SIPO_OK);
    ASSERT_GT(count, 1U);
    std::vector<Element> data(count + 1, untouched);
    std::size_t told = poison;
    expect_refusal("one too few", SIPO_BUFFER_TOO_SMALL,
                   {std::to_string(count), std::to_string(count - 1)},
                   [&] { return fill(data.data(), count - 1, &told); });
    expect_refusal("none, but an array", SIPO_BUFFER_TOO_SMALL, {std::to_string(count)},
                   [&] { return fill(data.data(), 0, &told); });
    EXPECT_EQ(told, poison);
    EXPECT_EQ(std::count(data.begin(), data.end(), untouched),
              static_cast<std::ptrdiff_t>(data.size()));
    ASSERT_EQ(fill(data.data(), count, &told), SIPO_OK);
    EXPECT_EQ(told, count);
    EXPECT_EQ(data.back(), untouched);
    EXPECT_NE(data[count - 1], untouched);
}

TEST_F(HostileRoom, OfModelTexts) {
    expect_exact_room<char>('\x7f', [&](char* data, std::size_t capacity, std::size_t* count) {
        return sipo_model_get_text(model.get(), SIPO_MODEL_SOURCE, data, capacity, count);
    });
    expect_exact_room<char>('\x7f', [&](char* data, std::size_t capacity, std::size_t* count) {
        return sipo_model_detokenize(model.get(), ids.data(), ids.size(), data, capacity, count);
    });
    expect_exact_room<std::int32_t>(
        -7, [&](std::int32_t* data, std::size_t capacity, std::size_t* count) {
            return sipo_model_tokenize(model.get(), "It was a dark night", 19, data, capacity, count);
        });
}

TEST_F(HostileRoom, OfCalibrations) {
    auto* const c = calibration.get();
    expect_exact_room<float>(7.5F, [&](float* data, std::size_t capacity, std::size_t* count) {
        return sipo_calibration_log_decay(c, data, capacity, count);
    });
    expect_exact_room<float>(-7.5F, [&](float* data, std::size_t capacity, std::size_t* count) {
        return sipo_calibration_threshold_table(c, data, capacity, count);
    });
    expect_exact_room<std::int64_t>(
        -7, [&](std::int64_t* data, std::size_t capacity, std::size_t* count) {
            return sipo_calibration_lengths(c, data, capacity, count);
        });
}

TEST_F(HostileRoom, OfSessions) {
    std::vector<float> out(8192, -7.5F);
    REFUSED_SAYING(
        sipo_session_prefill_logits(session.get(), ids.data(), 8, 2, out.data(), 8191),
        SIPO_BUFFER_TOO_SMALL, "8191", "8192");
    EXPECT_EQ(std::count(out.begin(), out.end(), -7.5F), 8192);
    EXPECT_EQ(position_of(session), 0);
    read_prompt();
    expect_exact_room<float>(-7.5F, [&](float* data, std::size_t capacity, std::size_t* count) {
        return sipo_session_logits(session.get(), data, capacity, count);
    });
    expect_exact_room<std::int64_t>(
        -7, [&](std::int64_t* data, std::size_t capacity, std::size_t* count) {
            return sipo_session_kept_tokens(session.get(), data, capacity, count);
        });
    expect_exact_room<char>('\x7f', [&](char* data, std::size_t capacity, std::size_t* count) {
        return sipo_session_backend_name(session.get(), data, capacity, count);
    });
}

// ---- State and messages ----------------------------------------------------------------------------

TEST_F(HostileArguments, NothingIsGeneratedBeforeTheFirstToken) {
    std::size_t count = poison;
    float logit = -7.0F;
    REFUSED(sipo_session_logits(session.get(), &logit, 1, &count), SIPO_INVALID_STATE);
    REFUSED(sipo_session_generate(session.get(), nullptr, 1, nullptr, nullptr, &count),
            SIPO_INVALID_STATE);
    EXPECT_EQ(count, poison);
    EXPECT_EQ(logit, -7.0F);
    read_prompt();
    ASSERT_EQ(sipo_session_reset(session.get()), SIPO_OK);
    EXPECT_EQ(position_of(session), 0);
    REFUSED(sipo_session_logits(session.get(), &logit, 1, &count), SIPO_INVALID_STATE);
}

// A calibration belongs to a shape of model.
TEST_F(HostileArguments, ACalibrationOfAnotherShapeIsRefused) {
    const Model other = open_model(mamba2_path());
    const Calibration foreign = calibrated(other);
    REFUSED_SAYING(sipo_session_options_set_calibration(options.get(), foreign.get()),
                   SIPO_INVALID_ARGUMENT, "512", "8");
}

// A setter that refuses leaves what was set before.
TEST_F(HostileArguments, ARefusedValueChangesNothing) {
    auto* const o = sampling.get();
    read_prompt();
    ASSERT_EQ(sipo_sampling_options_set_temperature(o, 1.5), SIPO_OK);
    ASSERT_EQ(sipo_sampling_options_set_seed(o, 7), SIPO_OK);
    const Session twin = session_for(options);
    ASSERT_EQ(sipo_session_prefill(twin.get(), ids.data(), ids.size()), SIPO_OK);
    std::size_t generated = 0;
    ASSERT_EQ(sipo_session_generate(session.get(), o, 6, nullptr, nullptr, &generated), SIPO_OK);
    REFUSED(sipo_sampling_options_set_temperature(o, nan), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_sampling_options_set_top_k(o, -1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_sampling_options_set_repetition_penalty(o, 50.0, -1), SIPO_OUT_OF_RANGE);
    ASSERT_EQ(sipo_session_generate(twin.get(), o, 6, nullptr, nullptr, &generated), SIPO_OK);
    EXPECT_EQ(logits_of(session), logits_of(twin));
}

// The host's locale shows neither in a message nor in the work.
class Grouping : public std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
};

TEST_F(HostileArguments, TheHostsLocaleDoesNotShow) {
    const std::locale before = std::locale::global(std::locale(std::locale(), new Grouping));
    REFUSED_SAYING(sipo_session_decode(session.get(), 123456), SIPO_OUT_OF_RANGE, "123456",
                   "0 to 4095");
    REFUSED_SAYING(sipo_session_options_set_decimation_rate(options.get(), 1.5), SIPO_OUT_OF_RANGE,
                   "1.5");
    const std::string path = testing::TempDir() + "sipo_locale.sipo";
    EXPECT_EQ(sipo_import(checkpoint_path().c_str(), path.c_str(), nullptr), SIPO_OK)
        << sipo_last_error_message();
    EXPECT_EQ(integer(open_model(path), SIPO_MODEL_VOCAB_SIZE), 4096);
    std::remove(path.c_str());
    std::locale::global(before);
}

}  // namespace
