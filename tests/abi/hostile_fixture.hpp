// What the tests of bad arguments share: an object of every type, extreme numbers, and poison.
#pragma once

#include <limits>

#include "support.hpp"

namespace sipo_tests {

inline constexpr std::size_t huge = std::numeric_limits<std::size_t>::max();
inline constexpr std::size_t negative = std::size_t{1} << 63U;
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();
inline constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int64_t longest = std::int64_t{1} << 40;

// Out-parameters hold this before a call that must not write them.
inline constexpr std::size_t poison = 0x5a5a5a5aU;

template <typename Object>
Object* poisoned() {
    return reinterpret_cast<Object*>(poison);
}

// A model with a calibration, and one object of every type made from it.
class HostileArguments : public testing::Test {
protected:
    Model model = open_model();
    Calibration calibration = calibrated(model);
    SessionOptions options = options_for(model);
    Session session = session_for(options);
    ModelOptions model_options = made<ModelOptions>(sipo_model_options_create);
    ImportOptions import_options = made<ImportOptions>(sipo_import_options_create);
    CalibrationOptions calibration_options =
        made<CalibrationOptions>(sipo_calibration_options_create);
    SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    std::vector<std::int32_t> ids = some_ids(8);

    void read_prompt() {
        ASSERT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    }
};

}  // namespace sipo_tests
