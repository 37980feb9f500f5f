// sipo_calibrate(), its options and its result.
#include "arguments.hpp"
#include "base/checked.hpp"
#include "format/profile_store.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

const CalibrationProfile& profile_of(const sipo_calibration* calibration) {
    return *require(calibration, "calibration").profile;
}

std::string profile_name(const char* name) {
    std::string text = require_text(name, "profile");
    constexpr std::size_t longest = 64;
    const char* legal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (text.size() > longest || text.find_first_not_of(legal) != std::string::npos) {
        fail(Code::invalid_argument, "profile '", text.substr(0, longest),
             "' is not a name of 1 to 64 characters of a-z A-Z 0-9 . _ -");
    }
    return text;
}

}  // namespace

extern "C" {

sipo_status sipo_calibration_options_create(sipo_calibration_options** options) {
    return guarded([&] {
        require(options, "options");
        give(options, sipo_calibration_options{});
    });
}

void sipo_calibration_options_free(sipo_calibration_options* options) {
    const std::unique_ptr<sipo_calibration_options> owned(options);
}

sipo_status sipo_calibration_options_set_clamp(sipo_calibration_options* options, double clamp) {
    return guarded([&] {
        require(options, "options").options.clamp =
            in_interval(clamp, clamp >= 0.0 && clamp < 1.0, "[0, 1)", "clamp");
    });
}

sipo_status sipo_calibration_options_set_threads(sipo_calibration_options* options,
                                                 int32_t threads) {
    return guarded([&] { require(options, "options").options.threads = thread_count(threads); });
}

sipo_status sipo_calibration_options_set_progress(sipo_calibration_options* options,
                                                  sipo_progress_fn fn, void* user) {
    return guarded([&] { require(options, "options").options.progress = make_progress(fn, user); });
}

sipo_status sipo_calibrate(const sipo_model* model, const int32_t* ids, size_t sequences,
                           size_t length, const sipo_calibration_options* options,
                           sipo_calibration** calibration) {
    return guarded([&] {
        const OpenModel& source = *require(model, "model").model;
        in_range<std::size_t>(sequences, 1, 65536, "sequences");
        in_range<std::size_t>(length, 2, std::size_t{1} << 20, "length");
        const auto tokens = require_array(ids, checked_mul(sequences, length), "ids");
        require(calibration, "calibration");
        const CalibrateOptions chosen = options != nullptr ? options->options : CalibrateOptions{};
        auto profile = std::make_shared<const CalibrationProfile>(
            calibrate(source, tokens, static_cast<std::int64_t>(sequences),
                      static_cast<std::int64_t>(length), chosen));
        give(calibration, sipo_calibration{std::move(profile)});
    });
}

void sipo_calibration_free(sipo_calibration* calibration) {
    const std::unique_ptr<sipo_calibration> owned(calibration);
}

sipo_status sipo_calibration_save(const sipo_calibration* calibration, const char* path,
                                  const char* profile) {
    return guarded([&] {
        CalibrationProfile named = profile_of(calibration);
        named.name = profile_name(profile);
        store_profile(require_text(path, "path"), named);
    });
}

sipo_status sipo_calibration_set_settings(sipo_calibration* calibration,
                                          const sipo_session_options* options) {
    return guarded([&] {
        sipo_calibration& target = require(calibration, "calibration");
        if (options == nullptr) {
            CalibrationProfile plain = *target.profile;
            plain.settings.reset();
            target.profile = std::make_shared<const CalibrationProfile>(std::move(plain));
            return;
        }
        const context::Options& chosen = options->options.context;
        CalibrationProfile changed = *target.profile;
        changed.settings =
            ProfileSettings{.method = static_cast<std::int32_t>(chosen.method),
                            .global_threshold = chosen.global_channel_threshold,
                            .layers = {},
                            .decimation_rate = chosen.decimation_rate,
                            .decimation_capacity = chosen.decimation_capacity.value_or(0)};
        if (chosen.layers) {
            changed.settings->layers.assign(chosen.layers->begin(), chosen.layers->end());
        }
        changed.name = "settings";  // a name is given when it is saved
        validate(changed);
        target.profile = std::make_shared<const CalibrationProfile>(std::move(changed));
    });
}

sipo_status sipo_calibration_log_decay(const sipo_calibration* calibration, float* log_decay,
                                       size_t capacity, size_t* count) {
    return guarded([&] {
        write_results(std::span(profile_of(calibration).log_decay), log_decay, capacity, count,
                      "log_decay");
    });
}

sipo_status sipo_calibration_threshold_table(const sipo_calibration* calibration, float* table,
                                             size_t capacity, size_t* count) {
    return guarded([&] {
        write_results(std::span(profile_of(calibration).threshold_table), table, capacity, count,
                      "table");
    });
}

sipo_status sipo_calibration_lengths(const sipo_calibration* calibration, int64_t* lengths,
                                     size_t capacity, size_t* count) {
    return guarded([&] {
        write_results(std::span(profile_of(calibration).lengths), lengths, capacity, count,
                      "lengths");
    });
}

}  // extern "C"
