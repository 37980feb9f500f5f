// NULL where an object, an array or a result is asked for: every function refuses it, says so, and
// writes nothing.
#include <algorithm>
#include <cstdio>

#include "hostile_fixture.hpp"

namespace {

using namespace sipo_tests;

using HostileNull = HostileArguments;

int no_progress(void*, std::uint64_t, std::uint64_t) { return 0; }
int no_log(void*, std::int32_t, const char*, std::size_t) { return 0; }

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

TEST_F(HostileNull, IsRefusedByTheSettingsOfAProfile) {
    REFUSED(sipo_calibration_set_settings(nullptr, options.get()), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_calibration_set_settings(calibration.get(), nullptr), SIPO_OK);
    REFUSED(sipo_session_options_use_profile(nullptr, "default"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_use_profile(options.get(), nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_use_profile(options.get(), ""), SIPO_INVALID_ARGUMENT);
    REFUSED_SAYING(sipo_session_options_use_profile(options.get(), "none"), SIPO_NOT_FOUND, "none");
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
    REFUSED(sipo_import_options_set_tokenizer(nullptr, "t.json"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import_options_set_tokenizer(o, ""), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_import_options_set_tokenizer(o, nullptr), SIPO_OK);
    REFUSED(sipo_export(nullptr, "out", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_export(from.c_str(), nullptr, o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_export("", "out", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_export(from.c_str(), "", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import(nullptr, "out.sipo", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import(from.c_str(), nullptr, o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import("", "out.sipo", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_import(from.c_str(), "", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_quantize(nullptr, "out.sipo", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_quantize(from.c_str(), nullptr, o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_write_preset(nullptr, "out.sipo", o), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_write_preset("mamba-130m", nullptr, o), SIPO_INVALID_ARGUMENT);
    REFUSED_SAYING(sipo_write_preset("gpt-2", "out.sipo", o), SIPO_NOT_FOUND, "gpt-2",
                   "mamba-130m");
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
    const std::string path = scratch("null_profile.sipo");
    ASSERT_EQ(sipo_import(checkpoint_path().c_str(), path.c_str(), nullptr), SIPO_OK);
    ASSERT_EQ(sipo_calibration_save(calibration.get(), path.c_str(), "tiny"), SIPO_OK);
    const Model with_profile = open_model(path);
    std::remove(path.c_str());
    auto* const m = with_profile.get();
    char name[64] = "untouched";
    std::size_t length = poison;
    REFUSED(sipo_model_profile_name(m, 0, nullptr, 64, &length), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_profile_name(m, 0, name, 64, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED_SAYING(sipo_model_profile_name(m, 1, name, 64, &length), SIPO_OUT_OF_RANGE, "1");
    REFUSED_SAYING(sipo_model_profile_name(m, -1, name, 64, &length), SIPO_OUT_OF_RANGE, "-1");
    REFUSED(sipo_model_profile_name(m, 0, name, 3, &length), SIPO_BUFFER_TOO_SMALL);
    EXPECT_STREQ(name, "untouched");
    EXPECT_EQ(length, poison);
    EXPECT_EQ(sipo_model_profile_name(m, 0, name, 4, &length), SIPO_OK);
    EXPECT_EQ(std::string(name, length), "tiny");
}

TEST_F(HostileNull, IsRefusedByTheTokenizer) {
    auto* const m = model.get();
    std::int32_t out[4] = {-7, -7, -7, -7};
    char text[16] = "untouched";
    std::size_t count = poison;
    REFUSED(sipo_model_tokenize(nullptr, "a", 1, out, 4, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_tokenize(m, nullptr, 1, out, 4, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_tokenize(m, "a", 1, nullptr, 4, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_tokenize(m, "a", 1, out, 4, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(nullptr, ids.data(), 1, text, 16, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(m, nullptr, 1, text, 16, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(m, ids.data(), 1, nullptr, 16, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_detokenize(m, ids.data(), 1, text, 16, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(std::count(out, out + 4, -7), 4);
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
    REFUSED(sipo_calibration_save(c, "x.sipo", ""), SIPO_INVALID_ARGUMENT);
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
    REFUSED(sipo_session_options_create(nullptr, &created), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(created, poisoned<sipo_session_options>());
    REFUSED(sipo_session_options_create(model.get(), nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_context(nullptr, SIPO_CONTEXT_NONE), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_decimation_rate(nullptr, 0.5), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_decimation_capacity(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_decimation_min_tokens(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_protected_tail(nullptr, 1), SIPO_INVALID_ARGUMENT);
    const std::int32_t layers[] = {0, 1};
    REFUSED(sipo_session_options_set_layers(nullptr, layers, 2), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_layers(o, nullptr, 2), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_all_layers(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_global_channel_threshold(nullptr, 0.5), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_filtered_channels(nullptr, SIPO_CHANNELS_LOCAL, 1),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_profile(nullptr, "default"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_profile(o, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_profile(o, ""), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_calibration(nullptr, calibration.get()),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_calibration(o, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_expected_tokens(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_threads(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_chunk_tokens(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_progress(nullptr, no_progress, nullptr),
            SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_session_options_set_progress(o, nullptr, nullptr), SIPO_OK);
    auto* s = poisoned<sipo_session>();
    REFUSED(sipo_session_create(nullptr, &s), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(s, poisoned<sipo_session>());
    REFUSED(sipo_session_create(o, nullptr), SIPO_INVALID_ARGUMENT);
}

TEST_F(HostileNull, IsRefusedByPrompts) {
    auto* const s = session.get();
    const std::int32_t* const in = ids.data();
    std::vector<float> logits(4096, -7.0F);
    float* const out = logits.data();
    float nll = -7.0F;
    REFUSED(sipo_session_prefill(nullptr, in, 8), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill(s, nullptr, 8), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(nullptr, in, 8, 1, out, 4096), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(s, nullptr, 8, 1, out, 4096), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(s, in, 8, 1, nullptr, 4096), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_logits(s, in, 8, 1, nullptr, 0), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_score(nullptr, in, 8, 1, &nll), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_score(s, nullptr, 8, 1, &nll), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_score(s, in, 8, 1, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_decode(nullptr, 1), SIPO_INVALID_ARGUMENT);
    sipo_session* const batch[] = {s, nullptr};
    REFUSED(sipo_batch_decode(nullptr, in, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_batch_decode(batch, nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_batch_decode(batch, in, 2), SIPO_INVALID_ARGUMENT);
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
    std::int32_t token = -7;
    REFUSED(sipo_session_likeliest(nullptr, &token), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_likeliest(s, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(token, -7);
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

}  // namespace
