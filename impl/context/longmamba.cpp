#include "context/longmamba.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/random.hpp"
#include "format/layout.hpp"

namespace sipo::context {
namespace {

// Below every Δ, so that an unfiltered channel keeps all of them.
constexpr float keep_all = -std::numeric_limits<float>::infinity();

std::vector<bool> global_channels(std::span<const float> log_decay, double threshold) {
    const double log_threshold = std::log(threshold);
    std::vector<bool> global(log_decay.size());
    for (std::size_t c = 0; c < global.size(); ++c) {
        global[c] = static_cast<double>(log_decay[c]) > log_threshold;
    }
    return global;
}

// `count` of `channels` channels: the first of a seeded shuffle.
std::vector<bool> random_channels(std::size_t channels, std::size_t count, std::uint64_t seed) {
    std::vector<std::size_t> order(channels);
    for (std::size_t c = 0; c < channels; ++c) order[c] = c;
    SplitMix64 random(seed);
    std::vector<bool> chosen(channels, false);
    for (std::size_t i = 0; i < count; ++i) {
        std::swap(order[i], order[i + random.below(channels - i)]);
        chosen[order[i]] = true;
    }
    return chosen;
}

// Of what a calibration measured, whatever its name.
std::uint64_t fingerprint_of(const CalibrationProfile& profile) {
    const std::array parts{static_cast<std::uint64_t>(profile.training_length),
                           checksum_of(std::as_bytes(std::span(profile.lengths))),
                           checksum_of(std::as_bytes(std::span(profile.log_decay))),
                           checksum_of(std::as_bytes(std::span(profile.threshold_table)))};
    return checksum_of(std::as_bytes(std::span(parts)));
}

std::vector<bool> filtered_channels(std::span<const float> log_decay, const Options& options,
                                    std::int32_t layer) {
    std::vector<bool> filtered = global_channels(log_decay, options.global_channel_threshold);
    if (options.filtered_channels == Channels::local) filtered.flip();
    if (options.filtered_channels == Channels::random) {
        const auto count =
            static_cast<std::size_t>(std::count(filtered.begin(), filtered.end(), true));
        const std::uint64_t layer_seed =
            SplitMix64(options.channel_seed + static_cast<std::uint64_t>(layer)).next();
        filtered = random_channels(filtered.size(), count, layer_seed);
    }
    return filtered;
}

}  // namespace

float threshold_at(std::span<const std::int64_t> lengths, std::span<const float> table,
                   std::int64_t total_tokens) {
    if (total_tokens <= lengths.front()) return table.front();
    if (total_tokens >= lengths.back()) return table.back();
    const auto above = std::upper_bound(lengths.begin(), lengths.end(), total_tokens);
    const auto j = static_cast<std::size_t>(above - lengths.begin()) - 1;
    const double low = std::log(static_cast<double>(lengths[j]));
    const double high = std::log(static_cast<double>(lengths[j + 1]));
    const double share = (std::log(static_cast<double>(total_tokens)) - low) / (high - low);
    return static_cast<float>(table[j] * (1.0 - share) + table[j + 1] * share);
}

Plan plan_longmamba(const Request& request) {
    const Architecture& arch = request.architecture;
    const Options& options = request.options;
    const CalibrationProfile& profile = *request.profile;
    Plan plan(static_cast<std::size_t>(arch.n_layers));
    const std::int64_t total =
        options.expected_tokens > 0 ? options.expected_tokens : request.position + request.tokens;
    if (total <= profile.training_length) return plan;
    const auto channels = static_cast<std::size_t>(profile.channels);
    const std::size_t lengths = profile.lengths.size();
    for (const std::int32_t layer : layer_scope(options, all_layers(arch))) {
        const std::size_t first = static_cast<std::size_t>(layer) * channels;
        const auto log_decay = std::span(profile.log_decay).subspan(first, channels);
        const std::vector<bool> filtered = filtered_channels(log_decay, options, layer);
        if (std::find(filtered.begin(), filtered.end(), true) == filtered.end()) continue;
        LayerPlan& wish = plan[static_cast<std::size_t>(layer)];
        wish.delta_threshold.assign(channels, keep_all);
        wish.delta_scale.assign(channels, 1.0F);
        for (std::size_t c = 0; c < channels; ++c) {
            if (!filtered[c]) continue;
            const auto table =
                std::span(profile.threshold_table).subspan((first + c) * lengths, lengths);
            wish.delta_threshold[c] = threshold_at(profile.lengths, table, total);
        }
    }
    return plan;
}

std::string describe_longmamba(const Request& request) {
    const Options& options = request.options;
    const std::vector<std::int32_t> scope = layer_scope(options, all_layers(request.architecture));
    const bool random = options.filtered_channels == Channels::random;
    return join("longmamba, threshold ", text_of(options.global_channel_threshold), ", channels ",
                static_cast<std::int32_t>(options.filtered_channels), ", seed ",
                random ? options.channel_seed : 0, ", expected tokens ", options.expected_tokens,
                ", calibration ", fingerprint_of(*request.profile), ", layers ", text_of(scope));
}

}  // namespace sipo::context
