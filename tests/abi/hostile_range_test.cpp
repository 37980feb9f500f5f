// Numbers and names out of range: refused with the value and the legal range. The legal extremes
// run.
#include <algorithm>
#include <cmath>

#include "hostile_fixture.hpp"

namespace {

using namespace sipo_tests;

using HostileRange = HostileArguments;

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
        std::int64_t number = poison;
        std::size_t length = poison;
        REFUSED_SAYING(sipo_model_get_integer(model.get(), unknown, &number), SIPO_OUT_OF_RANGE,
                       value);
        REFUSED_SAYING(sipo_model_get_text(model.get(), unknown, nullptr, 0, &length),
                       SIPO_OUT_OF_RANGE, value);
        EXPECT_EQ(number, std::int64_t{poison});
        EXPECT_EQ(length, poison);
    }
    EXPECT_STRNE(sipo_status_name(-1), "");
    EXPECT_STRNE(sipo_status_name(most), "");
}

TEST_F(HostileRange, EveryPropertyHasItsKind) {
    std::int64_t value = 0;
    std::size_t length = 0;
    for (std::int32_t property = SIPO_MODEL_LAYERS; property <= SIPO_MODEL_PROFILES;
         property += 10) {
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

TEST_F(HostileRange, DecimationRate) {
    auto* const o = options.get();
    for (const double rate :
         {0.0, -1.0, 1.1, 1.0 + 1e-15, -0.0, not_a_number, infinity, -infinity}) {
        REFUSED_SAYING(sipo_session_options_set_decimation_rate(o, rate), SIPO_OUT_OF_RANGE,
                       "decimation_rate", "(0, 1]");
    }
    REFUSED_SAYING(sipo_session_options_set_decimation_rate(o, not_a_number), SIPO_OUT_OF_RANGE,
                   "nan");
    REFUSED_SAYING(sipo_session_options_set_decimation_rate(o, 1.5), SIPO_OUT_OF_RANGE, "1.5");
    EXPECT_EQ(sipo_session_options_set_decimation_rate(o, 1.0), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_decimation_rate(o, 5e-324), SIPO_OK);
}

TEST_F(HostileRange, DecimationTokens) {
    auto* const o = options.get();
    for (const std::int64_t tokens :
         {std::int64_t{0}, std::int64_t{-1}, longest + 1, std::numeric_limits<std::int64_t>::min(),
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
    REFUSED_SAYING(sipo_session_options_set_layers(o, outside, 2), SIPO_OUT_OF_RANGE, "8",
                   "0 to 7");
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
    for (const double threshold : {0.0, 1.0, -0.5, 2.0, not_a_number, infinity, -infinity}) {
        REFUSED_SAYING(sipo_session_options_set_global_channel_threshold(o, threshold),
                       SIPO_OUT_OF_RANGE, "global_channel_threshold", "(0, 1)");
    }
    for (const std::int64_t tokens : {std::int64_t{-1}, longest + 1}) {
        REFUSED_SAYING(sipo_session_options_set_expected_tokens(o, tokens), SIPO_OUT_OF_RANGE,
                       std::to_string(tokens), "0 to 1099511627776");
    }
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

TEST_F(HostileRange, CalibrationTokens) {
    auto* measured = poisoned<sipo_calibration>();
    auto* const m = model.get();
    const std::int32_t* const in = ids.data();
    const std::int32_t wrong[] = {1, 4096};
    REFUSED_SAYING(sipo_calibrate(m, in, 0, 8, nullptr, &measured), SIPO_OUT_OF_RANGE, "sequences",
                   "1 to 65536");
    REFUSED(sipo_calibrate(m, in, 65537, 8, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, in, huge, 8, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, in, negative, 8, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_calibrate(m, in, 1, 1, nullptr, &measured), SIPO_OUT_OF_RANGE, "length",
                   "2 to 1048576");
    REFUSED(sipo_calibrate(m, in, 1, 1048577, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, in, 1, huge, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_calibrate(m, in, huge, huge, nullptr, &measured), SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_calibrate(m, wrong, 1, 2, nullptr, &measured), SIPO_OUT_OF_RANGE, "4096",
                   "0 to 4095");
    EXPECT_EQ(measured, poisoned<sipo_calibration>());
}

TEST_F(HostileRange, CalibrationClamp) {
    for (const double clamp : {-0.1, 1.0, not_a_number, infinity}) {
        REFUSED_SAYING(sipo_calibration_options_set_clamp(calibration_options.get(), clamp),
                       SIPO_OUT_OF_RANGE, "clamp", "[0, 1)");
    }
}

TEST_F(HostileRange, ProfileNames) {
    auto* const o = options.get();
    const std::string path = mamba1_path();
    const std::string faces = "\xf0\x9f\x98\x80\xf0\x9f\x98\x80";
    for (const std::string& name :
         {std::string("a b"), std::string("a/b"), std::string("\n"), std::string("caf\xc3\xa9"),
          std::string("\xff"), std::string("\x1b[31mred"), std::string(65, 'a'),
          std::string(1 << 20, 'a'), std::string(62, 'a') + faces}) {
        REFUSED_SAYING(sipo_calibration_save(calibration.get(), path.c_str(), name.c_str()),
                       SIPO_INVALID_ARGUMENT, "1 to 64");
        REFUSED(sipo_session_options_set_profile(o, name.c_str()), SIPO_NOT_FOUND);
    }
    REFUSED_SAYING(sipo_session_options_set_profile(o, "absent"), SIPO_NOT_FOUND, "absent");
    EXPECT_EQ(integer(open_model(), SIPO_MODEL_PROFILES), 0);
}

TEST_F(HostileRange, Backends) {
    for (const std::string& name : {std::string("gpu"), std::string("CPU"), std::string("cpu\n"),
                                    std::string("\xff\xfe"), std::string(1 << 20, 'x')}) {
        REFUSED(sipo_model_options_set_backend(model_options.get(), name.c_str()), SIPO_NOT_FOUND);
    }
    REFUSED_SAYING(sipo_model_options_set_backend(model_options.get(), "gpu"), SIPO_NOT_FOUND,
                   "gpu", "auto", "cpu");
}

TEST_F(HostileRange, Sampling) {
    auto* const o = sampling.get();
    for (const double value : {-0.1, 100.1, not_a_number, infinity}) {
        REFUSED_SAYING(sipo_sampling_options_set_temperature(o, value), SIPO_OUT_OF_RANGE,
                       "temperature", "[0, 100]");
    }
    for (const std::int32_t k : {-1, (1 << 24) + 1, least, most}) {
        REFUSED_SAYING(sipo_sampling_options_set_top_k(o, k), SIPO_OUT_OF_RANGE, std::to_string(k),
                       "0 to 16777216");
    }
    for (const double p : {0.0, -0.5, 1.1, not_a_number, infinity}) {
        REFUSED_SAYING(sipo_sampling_options_set_top_p(o, p), SIPO_OUT_OF_RANGE, "(0, 1]");
    }
    for (const double p : {-0.5, 1.1, not_a_number, -infinity}) {
        REFUSED_SAYING(sipo_sampling_options_set_min_p(o, p), SIPO_OUT_OF_RANGE, "[0, 1]");
    }
    for (const double penalty : {0.0, -1.0, 100.1, not_a_number, infinity}) {
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
    auto* const s = session.get();
    std::vector<float> logits(4096, -7.0F);
    char text[64] = "untouched";
    std::size_t length = poison;
    float nll = -7.0F;
    for (const std::int32_t id : {-1, 4096, least, most}) {
        const std::string value = std::to_string(id);
        std::vector<std::int32_t> prompt = ids;
        prompt[5] = id;
        const std::int32_t* const in = prompt.data();
        REFUSED_SAYING(sipo_session_prefill(s, in, 8), SIPO_OUT_OF_RANGE, "token 5", value,
                       "0 to 4095");
        REFUSED_SAYING(sipo_session_prefill_logits(s, in, 8, 1, logits.data(), 4096),
                       SIPO_OUT_OF_RANGE, "token 5", value, "0 to 4095");
        REFUSED_SAYING(sipo_session_score(s, in, 8, 1, &nll), SIPO_OUT_OF_RANGE, "token 5", value,
                       "0 to 4095");
        REFUSED_SAYING(sipo_session_decode(s, id), SIPO_OUT_OF_RANGE, value, "0 to 4095");
        REFUSED_SAYING(sipo_model_detokenize(model.get(), in, 8, text, sizeof text, &length),
                       SIPO_OUT_OF_RANGE, "token 5", value, "0 to 4095");
    }
    EXPECT_EQ(std::count(logits.begin(), logits.end(), -7.0F), 4096);
    EXPECT_EQ(nll, -7.0F);
    EXPECT_STREQ(text, "untouched");
    EXPECT_EQ(length, poison);
    EXPECT_EQ(position_of(session), 0);
}

}  // namespace
