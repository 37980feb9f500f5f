// A calibration profile, put into a container that is being written.
#pragma once

#include "format/calibration_profile.hpp"
#include "format/contents.hpp"
#include "format/payload_writer.hpp"

namespace sipo {

// Writes the tables of a valid profile.
[[nodiscard]] ProfileEntry write_profile(PayloadWriter& writer, const CalibrationProfile& profile);

}  // namespace sipo
