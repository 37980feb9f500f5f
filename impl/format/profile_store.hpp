// Adds calibration to a container that is already there.
#pragma once

#include <filesystem>

#include "format/calibration_profile.hpp"

namespace sipo {

// Adds `profile` to the container at `path`, or replaces the one of that name. Payloads are copied
// as they are into a new file, which then takes the old one's name: a crash leaves the old file
// whole, and who has it open keeps reading it.
//
// Two calls at once, from any threads or processes of one machine, both take effect. Each holds
// flock(2) on the file it is about to replace and, once it has the lock, starts again if the name
// meanwhile points to another file. No lock file is left behind.
//
// Throws Code::invalid_argument when the profile does not fit the model, Code::unsupported when a
// newer minor version wrote the file: rewriting would drop what this version does not know.
void store_profile(const std::filesystem::path& path, const CalibrationProfile& profile);

}  // namespace sipo
