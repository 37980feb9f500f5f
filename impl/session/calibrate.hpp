// Runs LongMamba's calibration: a plain prefill of every sequence, layer by layer, with each
// layer's Δ handed to context/calibration.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.hpp"
#include "session/open_model.hpp"

namespace sipo {

struct CalibrateOptions {
    double clamp = 0.0;
    int threads = 0;      // 0: all there are
    ProgressFn progress;  // in layers times sequences
};

// ids [sequences, length]
[[nodiscard]] CalibrationProfile calibrate(const OpenModel& model,
                                           std::span<const std::int32_t> ids,
                                           std::int64_t sequences, std::int64_t length,
                                           const CalibrateOptions& options);

}  // namespace sipo
