// The golden numbers of tests/golden: what the public PyTorch definition of the models and methods
// gave.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/json.hpp"
#include "context/method.hpp"
#include "format/calibration_profile.hpp"
#include "relative_l2.hpp"
#include "session/open_model.hpp"

namespace sipo::parity {

inline std::string read_golden_file(const std::string& name) {
    std::ifstream in(std::filesystem::path(SIPO_TESTS_DIR) / "golden" / name, std::ios::binary);
    if (!in) fail(Code::not_found, "no golden file ", name);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline const Json& manifest() {
    static const Json json = parse_json(read_golden_file("manifest.json"), "manifest.json");
    return json;
}

// An array of the manifest: float or std::int32_t.
template <typename Element>
std::vector<Element> golden_array(const std::string& name) {
    const Json& entry = manifest().at("arrays").at(name);
    const std::string bytes = read_golden_file(entry.at("file").get<std::string>());
    std::size_t count = 1;
    for (const Json& size : entry.at("shape")) count *= size.get<std::size_t>();
    const bool floats = std::is_same_v<Element, float>;
    if (entry.at("dtype") != (floats ? "f32" : "i32") || bytes.size() != count * sizeof(Element)) {
        fail(Code::corrupt_file, "golden array ", name, " is not what the manifest says");
    }
    std::vector<Element> values(count);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

// The array that `key` of a case names.
template <typename Element>
std::vector<Element> golden_array(const Json& golden_case, const std::string& key) {
    return golden_array<Element>(golden_case.at(key).get<std::string>());
}

// The cases of a checkpoint that have `key`.
inline std::vector<Json> golden_cases(const std::string& checkpoint, const std::string& key) {
    std::vector<Json> found;
    for (const Json& entry : manifest().at("cases")) {
        if (entry.at("model") == checkpoint && entry.contains(key)) found.push_back(entry);
    }
    return found;
}

// "passkey-mamba1" -> "mamba1", as the arrays are called.
inline std::string family_name(const std::string& checkpoint) {
    return checkpoint.substr(checkpoint.find('-') + 1);
}

inline context::Options context_options(const Json& golden_case) {
    context::Options options;
    const auto name = golden_case.at("case").get<std::string>();
    if (name == "longmamba") {
        options.method = context::Method::longmamba;
        options.global_channel_threshold = golden_case.at("global_channel_threshold").get<double>();
    } else if (name == "decimamba") {
        options.method = context::Method::decimamba;
        options.layers = golden_case.at("layers").get<std::vector<std::int32_t>>();
        options.decimation_capacity = golden_case.at("capacity").get<std::int64_t>();
        options.decimation_rate = golden_case.at("rate").get<double>();
        options.protected_tail = golden_case.at("protected_tail").get<std::int64_t>();
    } else if (name != "vanilla") {
        fail(Code::corrupt_file, "no method for the golden case ", name);
    }
    return options;
}

// The golden calibration of a checkpoint as a profile.
inline std::shared_ptr<const CalibrationProfile> golden_profile(const OpenModel& model,
                                                                const std::string& checkpoint) {
    const std::string name = family_name(checkpoint) + "_calibration_";
    auto profile = std::make_shared<CalibrationProfile>();
    profile->name = "golden";
    profile->training_length = manifest().at("arrays").at("calibration_ids").at("shape").at(1);
    profile->sequences = manifest().at("arrays").at("calibration_ids").at("shape").at(0);
    profile->layers = model.architecture().n_layers;
    profile->channels = model.architecture().delta_channels();
    profile->lengths = manifest().at("threshold_table_lengths").get<std::vector<std::int64_t>>();
    profile->log_decay = golden_array<float>(name + "log_decay");
    profile->threshold_table = golden_array<float>(name + "threshold_table");
    validate(*profile);
    return profile;
}

inline std::string checkpoint_test_name(const testing::TestParamInfo<std::string>& checkpoint) {
    return family_name(checkpoint.param);
}

}  // namespace sipo::parity
