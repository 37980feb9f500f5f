// Options of sampling.
#include <limits>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "handles.hpp"
#include "status.hpp"
#include "tokenizer/utf8.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

constexpr std::int32_t most_tokens = 1 << 24;
constexpr std::int32_t most_likeliest = 1024;
constexpr std::size_t longest_stop = 65536;  // bytes
constexpr std::size_t most_stops = 256;

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

sipo_status sipo_sampling_options_set_resume(sipo_sampling_options* options, int32_t resume) {
    return guarded([&] { sampling_of(options).resume = resume != 0; });
}

sipo_status sipo_sampling_options_add_stop(sipo_sampling_options* options, const char* text,
                                           size_t text_length) {
    return guarded([&] {
        SamplingOptions& target = sampling_of(options);
        const auto bytes = require_array(text, text_length, "text");
        in_range<std::size_t>(text_length, 1, longest_stop, "the length of a stop sequence");
        std::string stop(bytes.data(), bytes.size());
        if (replace_invalid(stop) != stop) {
            fail(Code::invalid_argument, "a stop sequence is not UTF-8");
        }
        in_range<std::size_t>(target.stops.size() + 1, 1, most_stops,
                              "the number of stop sequences");
        target.stops.push_back(std::move(stop));
    });
}

sipo_status sipo_sampling_options_set_logit_bias(sipo_sampling_options* options, const int32_t* ids,
                                                 const float* biases, size_t count) {
    return guarded([&] {
        SamplingOptions& target = sampling_of(options);
        in_range<std::size_t>(count, 0, most_tokens, "count");
        const auto tokens = require_array(ids, count, "ids");
        const auto values = require_array(biases, count, "biases");
        std::vector<std::pair<std::int32_t, float>> bias;
        for (std::size_t i = 0; i < count; ++i) {
            const double value = values[i];
            in_interval(value, value < std::numeric_limits<double>::infinity(), "below infinity",
                        "a bias");
            bias.emplace_back(in_range(tokens[i], 0, most_tokens, "a token of the bias"),
                              values[i]);
        }
        target.logit_bias = std::move(bias);
    });
}

sipo_status sipo_sampling_options_set_log_probabilities(sipo_sampling_options* options,
                                                        int32_t likeliest,
                                                        sipo_log_probabilities_fn fn, void* user) {
    return guarded([&] {
        SamplingOptions& target = sampling_of(options);
        target.likeliest = in_range(likeliest, 0, most_likeliest, "likeliest");
        target.on_log_probabilities = {};
        if (fn == nullptr) return;
        target.on_log_probabilities = [fn, user](TokenLogProbability chosen,
                                                 std::span<const TokenLogProbability> top) {
            std::vector<std::int32_t> ids;
            std::vector<float> values;
            for (const TokenLogProbability& token : top) {
                ids.push_back(token.token);
                values.push_back(token.log_probability);
            }
            return fn(user, chosen.token, chosen.log_probability, ids.data(), values.data(),
                      ids.size());
        };
    });
}

}  // extern "C"
