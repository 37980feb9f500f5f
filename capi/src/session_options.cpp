// Options of sessions: every setter checks its value at once.
#include <algorithm>

#include "arguments.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

context::Options& context_of(sipo_session_options* options) {
    return require(options, "options").options.context;
}

std::int64_t token_count(std::int64_t tokens, const char* name) {
    return in_range<std::int64_t>(tokens, 1, SIPO_MAX_COUNT, name);
}

std::vector<std::int32_t> checked_scope(std::span<const std::int32_t> layers,
                                        std::int64_t n_layers) {
    if (layers.empty()) fail(Code::invalid_argument, "the layer scope names no layer");
    std::vector<std::int32_t> scope(layers.begin(), layers.end());
    std::sort(scope.begin(), scope.end());
    for (std::size_t i = 0; i < scope.size(); ++i) {
        in_range<std::int64_t>(scope[i], 0, n_layers - 1, "layer");
        if (i > 0 && scope[i] == scope[i - 1]) {
            fail(Code::invalid_argument, "layer ", scope[i], " stands twice in the layer scope");
        }
    }
    return scope;
}

}  // namespace

extern "C" {

sipo_status sipo_session_options_create(const sipo_model* model, sipo_session_options** options) {
    return guarded([&] {
        const sipo_model& source = require(model, "model");
        require(options, "options");
        give(options, sipo_session_options{source.model, {}});
    });
}

void sipo_session_options_free(sipo_session_options* options) {
    const std::unique_ptr<sipo_session_options> owned(options);
}

sipo_status sipo_session_options_set_context(sipo_session_options* options, int32_t method) {
    return guarded([&] { context_of(options).method = context::find_method(method).method; });
}

sipo_status sipo_session_options_set_decimation_rate(sipo_session_options* options, double rate) {
    return guarded([&] {
        context_of(options).decimation_rate =
            in_interval(rate, rate > 0.0 && rate <= 1.0, "(0, 1]", "decimation_rate");
    });
}

sipo_status sipo_session_options_set_decimation_capacity(sipo_session_options* options,
                                                         int64_t tokens) {
    return guarded([&] {
        context_of(options).decimation_capacity = token_count(tokens, "decimation_capacity");
    });
}

sipo_status sipo_session_options_set_decimation_min_tokens(sipo_session_options* options,
                                                           int64_t tokens) {
    return guarded([&] {
        context_of(options).decimation_min_tokens = token_count(tokens, "decimation_min_tokens");
    });
}

sipo_status sipo_session_options_set_protected_tail(sipo_session_options* options, int64_t tokens) {
    return guarded(
        [&] { context_of(options).protected_tail = token_count(tokens, "protected_tail"); });
}

sipo_status sipo_session_options_set_layers(sipo_session_options* options, const int32_t* layers,
                                            size_t count) {
    return guarded([&] {
        const auto scope = require_array(layers, count, "layers");
        const std::int64_t n_layers = require(options, "options").model->architecture().n_layers;
        in_range<std::size_t>(count, 1, static_cast<std::size_t>(n_layers), "the number of layers");
        context_of(options).layers = checked_scope(scope, n_layers);
    });
}

sipo_status sipo_session_options_set_all_layers(sipo_session_options* options) {
    return guarded([&] {
        context::Options& target = context_of(options);
        target.layers = context::all_layers(options->model->architecture());
    });
}

sipo_status sipo_session_options_set_global_channel_threshold(sipo_session_options* options,
                                                              double threshold) {
    return guarded([&] {
        context_of(options).global_channel_threshold = in_interval(
            threshold, threshold > 0.0 && threshold < 1.0, "(0, 1)", "global_channel_threshold");
    });
}

sipo_status sipo_session_options_set_filtered_channels(sipo_session_options* options,
                                                       int32_t channels, uint64_t seed) {
    return guarded([&] {
        context::Options& target = context_of(options);
        if (channels != SIPO_CHANNELS_GLOBAL && channels != SIPO_CHANNELS_LOCAL &&
            channels != SIPO_CHANNELS_RANDOM) {
            fail(Code::out_of_range, "channels is ", channels,
                 "; legal are SIPO_CHANNELS_GLOBAL (0), ",
                 "SIPO_CHANNELS_LOCAL (100) and SIPO_CHANNELS_RANDOM (110)");
        }
        target.filtered_channels = static_cast<context::Channels>(channels);
        target.channel_seed = seed;
    });
}

sipo_status sipo_session_options_set_profile(sipo_session_options* options, const char* name) {
    return guarded([&] {
        sipo_session_options& target = require(options, "options");
        std::string profile = require_text(name, "name");
        (void)target.model->profile(profile);
        target.options.profile = std::move(profile);
        target.options.calibration.reset();
    });
}

sipo_status sipo_session_options_use_profile(sipo_session_options* options, const char* name) {
    return guarded([&] {
        sipo_session_options& target = require(options, "options");
        std::string profile = require_text(name, "name");
        const auto stored = target.model->profile(profile);
        if (!stored->settings) {
            fail(Code::not_found, "profile '", profile,
                 "' holds a calibration, but no settings of a session");
        }
        const ProfileSettings& settings = *stored->settings;
        context::Options chosen = target.options.context;
        chosen.method = context::find_method(settings.method).method;
        chosen.global_channel_threshold = settings.global_threshold;
        chosen.decimation_rate = settings.decimation_rate;
        chosen.decimation_capacity.reset();
        if (settings.decimation_capacity > 0) {
            chosen.decimation_capacity = settings.decimation_capacity;
        }
        chosen.layers.reset();
        if (!settings.layers.empty()) {
            chosen.layers.emplace(settings.layers.begin(), settings.layers.end());
        }
        target.options.context = std::move(chosen);
        target.options.profile = std::move(profile);
        target.options.calibration.reset();
    });
}

sipo_status sipo_session_options_set_calibration(sipo_session_options* options,
                                                 const sipo_calibration* calibration) {
    return guarded([&] {
        sipo_session_options& target = require(options, "options");
        const auto& profile = require(calibration, "calibration").profile;
        const Architecture& arch = target.model->architecture();
        if (profile->layers != arch.n_layers || profile->channels != arch.delta_channels()) {
            fail(Code::invalid_argument, "the calibration is of a model with ", profile->layers,
                 " layers of ", profile->channels, " channels; this one has ", arch.n_layers,
                 " of ", arch.delta_channels());
        }
        target.options.calibration = profile;
    });
}

sipo_status sipo_session_options_set_expected_tokens(sipo_session_options* options,
                                                     int64_t tokens) {
    return guarded([&] {
        context_of(options).expected_tokens =
            in_range<std::int64_t>(tokens, 0, SIPO_MAX_COUNT, "expected_tokens");
    });
}

sipo_status sipo_session_options_set_threads(sipo_session_options* options, int32_t threads) {
    return guarded([&] { require(options, "options").options.threads = thread_count(threads); });
}

sipo_status sipo_session_options_set_chunk_tokens(sipo_session_options* options, int64_t tokens) {
    return guarded([&] {
        require(options, "options").options.chunk_tokens =
            in_range<std::int64_t>(tokens, 1, 65536, "chunk_tokens");
    });
}

sipo_status sipo_session_options_set_progress(sipo_session_options* options, sipo_progress_fn fn,
                                              void* user) {
    return guarded([&] { require(options, "options").options.progress = make_progress(fn, user); });
}

}  // extern "C"
