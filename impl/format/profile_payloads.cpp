#include "format/profile_payloads.hpp"

namespace sipo {
namespace {

Payload write_floats(PayloadWriter& writer, const std::vector<float>& values) {
    return writer.write(std::as_bytes(std::span(values)), Encoding::zstd_planes, sizeof(float),
                        sizeof(float));
}

}  // namespace

ProfileEntry write_profile(PayloadWriter& writer, const CalibrationProfile& profile) {
    return {.name = profile.name,
            .training_length = profile.training_length,
            .sequences = profile.sequences,
            .clamp = profile.clamp,
            .layers = profile.layers,
            .channels = profile.channels,
            .lengths = profile.lengths,
            .log_decay = write_floats(writer, profile.log_decay),
            .threshold_table = write_floats(writer, profile.threshold_table),
            .settings = profile.settings};
}

}  // namespace sipo
