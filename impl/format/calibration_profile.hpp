// What LongMamba's calibration measured on one model (methods.md section 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sipo {

// The session options that go with a profile, where they were found by trying.
struct ProfileSettings {
    std::int32_t method = 0;  // a number of context::Method
    double global_threshold = 1e-2;
    std::vector<std::int64_t> layers;  // ascending; empty: the method's default
    double decimation_rate = 0.5;
    std::int64_t decimation_capacity = 0;  // tokens; 0: the default
    bool operator==(const ProfileSettings&) const = default;
};

struct CalibrationProfile {
    std::string name;                  // unique in the container, 1 to 255 bytes of UTF-8
    std::int64_t training_length = 0;  // tokens of one calibration sequence
    std::int64_t sequences = 0;        // how many were averaged
    double clamp = 0.0;                // the share C of clamped steps; 0 = off
    std::int64_t layers = 0;
    std::int64_t channels = 0;           // Architecture::delta_channels()
    std::vector<std::int64_t> lengths;   // S of the threshold table, strictly ascending
    std::vector<float> log_decay;        // [layers, channels]
    std::vector<float> threshold_table;  // [layers, channels, lengths]
    std::optional<ProfileSettings> settings;

    bool operator==(const CalibrationProfile&) const = default;
};

// Throws Code::invalid_argument naming the field: sizes that disagree, lengths not ascending, a
// clamp outside [0, 1), a NaN, a threshold below zero or not finite, settings out of their ranges.
void validate(const CalibrationProfile& profile);

}  // namespace sipo
