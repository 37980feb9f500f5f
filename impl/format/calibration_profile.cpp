#include "format/calibration_profile.hpp"

#include <algorithm>
#include <cmath>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/quote.hpp"
#include "format/layout.hpp"

namespace sipo {
namespace {

void check_size(const CalibrationProfile& profile, const char* field, std::size_t size,
                std::int64_t wanted) {
    if (size == static_cast<std::size_t>(wanted)) return;
    fail(Code::invalid_argument, "profile ", quote(profile.name), ": ", field, " has ", size,
         " values; its shape asks for ", wanted);
}

void check_positive(const CalibrationProfile& profile, const char* field, std::int64_t value) {
    if (value > 0) return;
    fail(Code::invalid_argument, "profile ", quote(profile.name), ": ", field, " is ", value,
         "; it must be positive");
}

void check_lengths(const CalibrationProfile& profile) {
    const auto& lengths = profile.lengths;
    const bool ascending =
        std::adjacent_find(lengths.begin(), lengths.end(), std::greater_equal<>()) == lengths.end();
    if (lengths.empty() || lengths.size() > max_table_lengths || lengths.front() < 1 ||
        !ascending) {
        fail(Code::invalid_argument, "profile ", quote(profile.name), ": lengths must be 1 to ",
             max_table_lengths, " positive numbers, strictly ascending");
    }
}

void check_settings(const CalibrationProfile& profile, const ProfileSettings& settings) {
    const auto& layers = settings.layers;
    const bool ascending =
        std::adjacent_find(layers.begin(), layers.end(), std::greater_equal<>()) == layers.end();
    const bool in_model = layers.empty() || (layers.front() >= 0 && layers.back() < profile.layers);
    const bool legal = settings.global_threshold > 0.0 && settings.global_threshold < 1.0 &&
                       settings.decimation_rate > 0.0 && settings.decimation_rate <= 1.0 &&
                       settings.decimation_capacity >= 0;
    if (ascending && in_model && legal) return;
    fail(Code::invalid_argument, "profile ", quote(profile.name),
         ": its settings are not those of a session of this model");
}

}  // namespace

void validate(const CalibrationProfile& profile) {
    if (profile.name.empty() || profile.name.size() > max_name_bytes) {
        fail(Code::invalid_argument, "a profile's name has ", profile.name.size(),
             " bytes; it must have 1 to ", max_name_bytes);
    }
    check_positive(profile, "training_length", profile.training_length);
    check_positive(profile, "sequences", profile.sequences);
    check_positive(profile, "layers", profile.layers);
    check_positive(profile, "channels", profile.channels);
    check_lengths(profile);
    if (!(profile.clamp >= 0.0 && profile.clamp < 1.0)) {
        fail(Code::invalid_argument, "profile ", quote(profile.name), ": clamp is ", profile.clamp,
             "; it must be at least 0 and below 1");
    }
    if (profile.settings) check_settings(profile, *profile.settings);
    const std::int64_t channels = checked_mul(profile.layers, profile.channels);
    const auto lengths = static_cast<std::int64_t>(profile.lengths.size());
    check_size(profile, "log_decay", profile.log_decay.size(), channels);
    check_size(profile, "threshold_table", profile.threshold_table.size(),
               checked_mul(channels, lengths));
    if (std::any_of(profile.log_decay.begin(), profile.log_decay.end(),
                    [](float value) { return std::isnan(value); })) {
        fail(Code::invalid_argument, "profile ", quote(profile.name), ": log_decay has a NaN");
    }
    if (!std::all_of(profile.threshold_table.begin(), profile.threshold_table.end(),
                     [](float value) { return value >= 0.0F && std::isfinite(value); })) {
        fail(Code::invalid_argument, "profile ", quote(profile.name),
             ": threshold_table has a value that is negative or not finite");
    }
}

}  // namespace sipo
