// What the tests of the C ABI share: owners, the models of the fixtures, and how a refusal is
// checked.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "sipo/sipo.h"

namespace sipo_tests {

template <auto Free>
struct Freer {
    template <typename Object>
    void operator()(Object* object) const {
        Free(object);
    }
};

using Model = std::unique_ptr<sipo_model, Freer<sipo_model_free>>;
using ModelOptions = std::unique_ptr<sipo_model_options, Freer<sipo_model_options_free>>;
using Session = std::unique_ptr<sipo_session, Freer<sipo_session_free>>;
using SessionOptions = std::unique_ptr<sipo_session_options, Freer<sipo_session_options_free>>;
using SamplingOptions = std::unique_ptr<sipo_sampling_options, Freer<sipo_sampling_options_free>>;
using ImportOptions = std::unique_ptr<sipo_import_options, Freer<sipo_import_options_free>>;
using Calibration = std::unique_ptr<sipo_calibration, Freer<sipo_calibration_free>>;
using CalibrationOptions =
    std::unique_ptr<sipo_calibration_options, Freer<sipo_calibration_options_free>>;

// The files that the fixtures "model_mamba1" and "model_mamba2" of CMakeLists.txt leave.
inline std::string mamba1_path() { return SIPO_ABI_MODELS_DIR "/mamba1.sipo"; }
inline std::string mamba2_path() { return SIPO_ABI_MODELS_DIR "/mamba2.sipo"; }

// A place in the build tree for a file that one test makes.
inline std::string scratch(const std::string& name) { return SIPO_ABI_MODELS_DIR "/" + name; }

// The checkpoint that the first one comes from.
inline std::string checkpoint_path() { return SIPO_TESTS_DIR "/models/passkey-mamba1"; }

// Makes an object; a failure ends the test program, for nothing can be tested without it.
template <typename Owner, typename Make>
Owner made(const Make& make) {
    typename Owner::pointer object = nullptr;
    const sipo_status status = make(&object);
    if (status != SIPO_OK || object == nullptr) {
        ADD_FAILURE() << sipo_status_name(status) << ": " << sipo_last_error_message();
        std::exit(EXIT_FAILURE);
    }
    return Owner(object);
}

inline Model open_model(const std::string& path = mamba1_path()) {
    return made<Model>(
        [&](sipo_model** out) { return sipo_model_open(path.c_str(), nullptr, out); });
}

inline SessionOptions options_for(const Model& model, std::int32_t threads = 1) {
    SessionOptions options = made<SessionOptions>(
        [&](sipo_session_options** out) { return sipo_session_options_create(model.get(), out); });
    EXPECT_EQ(sipo_session_options_set_threads(options.get(), threads), SIPO_OK);
    return options;
}

inline Session session_for(const SessionOptions& options) {
    return made<Session>(
        [&](sipo_session** out) { return sipo_session_create(options.get(), out); });
}

inline std::int64_t integer(const Model& model, std::int32_t property) {
    std::int64_t value = -1;
    EXPECT_EQ(sipo_model_get_integer(model.get(), property, &value), SIPO_OK);
    return value;
}

inline std::int64_t position_of(const Session& session) {
    std::int64_t position = -1;
    EXPECT_EQ(sipo_session_position(session.get(), &position), SIPO_OK);
    return position;
}

inline std::vector<float> logits_of(const Session& session) {
    std::size_t count = 0;
    EXPECT_EQ(sipo_session_logits(session.get(), nullptr, 0, &count), SIPO_OK);
    std::vector<float> logits(count);
    EXPECT_EQ(sipo_session_logits(session.get(), logits.data(), count, &count), SIPO_OK);
    return logits;
}

// Some legal tokens, none of them the end of text.
inline std::vector<std::int32_t> some_ids(std::size_t count, std::uint32_t seed = 1) {
    std::vector<std::int32_t> ids(count);
    for (std::int32_t& id : ids) {
        seed = seed * 1664525U + 1013904223U;
        id = 1 + static_cast<std::int32_t>((seed >> 16U) % 4095U);
    }
    return ids;
}

inline Calibration calibrated(const Model& model) {
    const std::vector<std::int32_t> ids = some_ids(64);
    return made<Calibration>([&](sipo_calibration** out) {
        return sipo_calibrate(model.get(), ids.data(), 1, ids.size(), nullptr, out);
    });
}

inline bool is_utf8(const std::string& text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i]);
        const std::size_t length = first < 0x80   ? 1
                                   : first < 0xc2 ? 0
                                   : first < 0xe0 ? 2
                                   : first < 0xf0 ? 3
                                   : first < 0xf5 ? 4
                                                  : 0;
        if (length == 0 || i + length > text.size()) return false;
        for (std::size_t k = 1; k < length; ++k) {
            if ((static_cast<unsigned char>(text[i + k]) & 0xc0U) != 0x80U) return false;
        }
        i += length;
    }
    return true;
}

// A failing call with a message of its own, so that a message of the next one can be told from it.
inline std::string provoke_other_error() {
    (void)sipo_import(SIPO_TESTS_DIR "/no-such-checkpoint", "out", nullptr);
    return sipo_last_error_message();
}

// The call gives that status and a line about it, which holds every one of `parts`.
template <typename Call>
void expect_refusal(const char* text, sipo_status wanted, const std::vector<std::string>& parts,
                    const Call& call) {
    SCOPED_TRACE(text);
    const std::string before = provoke_other_error();
    const sipo_status status = call();
    const std::string message = sipo_last_error_message();
    EXPECT_STREQ(sipo_status_name(status), sipo_status_name(wanted)) << message;
    EXPECT_NE(message, "");
    EXPECT_NE(message, before) << "the call left no message";
    EXPECT_TRUE(is_utf8(message));
    for (const char c : message) {
        EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << "not one plain line";
    }
    for (const std::string& part : parts) {
        EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
    }
}

}  // namespace sipo_tests

// REFUSED(call, status) and REFUSED_SAYING(call, status, part, ..).
#define REFUSED(call, status) sipo_tests::expect_refusal(#call, status, {}, [&] { return call; })
#define REFUSED_SAYING(call, status, ...) \
    sipo_tests::expect_refusal(#call, status, {__VA_ARGS__}, [&] { return call; })
