// Options of sampling.
#include "arguments.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

constexpr std::int32_t most_tokens = 1 << 24;

SamplingOptions& sampling_of(sipo_sampling_options* options) {
    return require(options, "options").options;
}

}  // namespace

extern "C" {

sipo_status sipo_sampling_options_create(sipo_sampling_options** options) {
    return guarded([&] {
        require(options, "options");
        give(options, sipo_sampling_options{});
    });
}

void sipo_sampling_options_free(sipo_sampling_options* options) {
    const std::unique_ptr<sipo_sampling_options> owned(options);
}

sipo_status sipo_sampling_options_set_temperature(sipo_sampling_options* options,
                                                  double temperature) {
    return guarded([&] {
        sampling_of(options).temperature = in_interval(
            temperature, temperature >= 0.0 && temperature <= 100.0, "[0, 100]", "temperature");
    });
}

sipo_status sipo_sampling_options_set_top_k(sipo_sampling_options* options, int32_t k) {
    return guarded([&] { sampling_of(options).top_k = in_range(k, 0, most_tokens, "top_k"); });
}

sipo_status sipo_sampling_options_set_top_p(sipo_sampling_options* options, double p) {
    return guarded([&] {
        sampling_of(options).top_p = in_interval(p, p > 0.0 && p <= 1.0, "(0, 1]", "top_p");
    });
}

sipo_status sipo_sampling_options_set_min_p(sipo_sampling_options* options, double p) {
    return guarded([&] {
        sampling_of(options).min_p = in_interval(p, p >= 0.0 && p <= 1.0, "[0, 1]", "min_p");
    });
}

sipo_status sipo_sampling_options_set_repetition_penalty(sipo_sampling_options* options,
                                                         double penalty, int64_t window) {
    return guarded([&] {
        SamplingOptions& target = sampling_of(options);
        const double checked = in_interval(penalty, penalty > 0.0 && penalty <= 100.0, "(0, 100]",
                                           "the repetition penalty");
        target.repetition_window =
            in_range<std::int64_t>(window, 0, most_tokens, "the repetition window");
        target.repetition_penalty = checked;
    });
}

sipo_status sipo_sampling_options_set_seed(sipo_sampling_options* options, uint64_t seed) {
    return guarded([&] { sampling_of(options).seed = seed; });
}

sipo_status sipo_sampling_options_set_ignore_end_of_text(sipo_sampling_options* options,
                                                         int32_t ignore) {
    return guarded([&] { sampling_of(options).ignore_end_of_text = ignore != 0; });
}

}  // extern "C"
