#include "context/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "base/checked.hpp"
#include "context/exponential.hpp"

namespace sipo::context {

const std::vector<std::int64_t>& table_lengths() {
    static const std::vector<std::int64_t> lengths = [] {
        std::vector<std::int64_t> values{1,  2,  3,  4,  5,  6,  7,  8,  10,  12,  14,  16, 20,
                                         24, 30, 36, 44, 54, 64, 80, 96, 120, 144, 168, 192};
        for (std::int64_t& value : values) value *= 1000;
        return values;
    }();
    return lengths;
}

namespace {

constexpr std::size_t step_block = 64;

// sums[t] += e^(steps[t] · rate), rate ≤ 0
void add_decays(const std::array<double, step_block>& steps, double rate,
                std::array<double, step_block>& sums) {
    const double largest = *std::max_element(steps.begin(), steps.end());
    if (largest * rate < lowest_exponent) {
        for (std::size_t t = 0; t < step_block; ++t) sums[t] += std::exp(steps[t] * rate);
        return;
    }
    for (std::size_t t = 0; t < step_block; ++t) sums[t] += exp_in_range(steps[t] * rate);
}

}  // namespace

double cumulative_log_decay(std::span<const float> delta, std::span<const float> a) {
    double total = 0.0;
    if (a.size() == 1) {
        for (const float step : delta) total += static_cast<double>(step);
        return total * static_cast<double>(a.front());
    }
    // The slowest state bounds the mean from below; the others are taken relative to it.
    const auto slowest = static_cast<double>(*std::max_element(a.begin(), a.end()));
    const double mean = 1.0 / static_cast<double>(a.size());
    for (std::size_t first = 0; first < delta.size(); first += step_block) {
        const std::size_t count = std::min(step_block, delta.size() - first);
        std::array<double, step_block> steps{};
        for (std::size_t t = 0; t < count; ++t) steps[t] = static_cast<double>(delta[first + t]);
        std::array<double, step_block> sums{};
        for (const float rate : a) add_decays(steps, static_cast<double>(rate) - slowest, sums);
        for (std::size_t t = 0; t < count; ++t)
            total += steps[t] * slowest + std::log(sums[t] * mean);
    }
    return total;
}

namespace {

// The channel's Δ resampled to `points` values, linearly with half-pixel centres: point i lies at
// source position (i + .5) · ratio − .5, at least 0.
class Resampled {
public:
    Resampled(std::span<const float> descending, std::int64_t points)
        : values_(descending),
          points_(points),
          ratio_(static_cast<double>(descending.size()) / static_cast<double>(points)) {}

    [[nodiscard]] double at(std::int64_t i) const {
        const double source = std::max(position(i), 0.0);
        const auto left = std::min(static_cast<std::int64_t>(source), last());
        return value(left) + (source - static_cast<double>(left)) * slope(left);
    }

    // The first point whose position is at least `source`.
    [[nodiscard]] std::int64_t first_from(std::int64_t source) const {
        const double exact = (static_cast<double>(source) + 0.5) / ratio_ - 0.5;
        return std::clamp(static_cast<std::int64_t>(std::ceil(exact)), std::int64_t{0}, points_);
    }

    // Σ of the points first .. end − 1, which all lie between source values `left` and left + 1.
    [[nodiscard]] double sum(std::int64_t left, std::int64_t first, std::int64_t end) const {
        const auto count = static_cast<double>(end - first);
        const double middle = 0.5 * (position(first) + position(end - 1));
        return count * (value(left) + (middle - static_cast<double>(left)) * slope(left));
    }

private:
    [[nodiscard]] std::int64_t last() const {
        return static_cast<std::int64_t>(values_.size()) - 1;
    }
    [[nodiscard]] double value(std::int64_t i) const {
        return static_cast<double>(values_[static_cast<std::size_t>(std::min(i, last()))]);
    }
    [[nodiscard]] double slope(std::int64_t left) const { return value(left + 1) - value(left); }
    [[nodiscard]] double position(std::int64_t i) const {
        return (static_cast<double>(i) + 0.5) * ratio_ - 0.5;
    }

    std::span<const float> values_;
    std::int64_t points_;
    double ratio_;
};

}  // namespace

float length_threshold(std::span<const float> descending, double sum, std::int64_t total_tokens) {
    const auto length = static_cast<std::int64_t>(descending.size());
    if (total_tokens <= length) return 0.0F;
    const Resampled points(descending, total_tokens);
    const auto after = [&](std::int64_t k) {
        return static_cast<float>(points.at(std::min(k + 1, total_tokens - 1)));
    };
    // Whole source intervals are summed at once; only the one in which the sum is exceeded is
    // walked.
    double cumulated = 0.0;
    std::int64_t first = points.first_from(0);
    for (std::int64_t k = 0; k < first; ++k) {  // before source position 0: the largest value
        cumulated += points.at(k);
        if (cumulated > sum) return after(k);
    }
    for (std::int64_t left = 0; left < length && first < total_tokens; ++left) {
        const std::int64_t end = left + 1 < length ? points.first_from(left + 1) : total_tokens;
        if (end == first) continue;
        const double interval = points.sum(left, first, end);
        if (cumulated + interval > sum) {
            for (std::int64_t k = first; k < end; ++k) {
                cumulated += points.at(k);
                if (cumulated > sum) return after(k);
            }
        } else {
            cumulated += interval;
        }
        first = end;
    }
    return after(total_tokens - 1);
}

Calibration::Calibration(const Architecture& architecture, std::int64_t length,
                         std::int64_t sequences, double clamp)
    : layers_(architecture.n_layers),
      channels_(architecture.delta_channels()),
      length_(length),
      sequences_(sequences),
      clamp_(clamp),
      log_decay_(static_cast<std::size_t>(layers_ * channels_)),
      table_(log_decay_.size() * table_lengths().size()) {}

void Calibration::add_layer(std::int64_t layer, std::span<const float> delta,
                            std::span<const float> a, ThreadPool& pool) {
    const std::size_t states = a.size() / static_cast<std::size_t>(channels_);
    constexpr std::int64_t channels_a_task = 16;
    pool.run(static_cast<std::size_t>(ceil_div(channels_, channels_a_task)), [&](std::size_t task) {
        std::vector<float> column(static_cast<std::size_t>(length_));
        const std::int64_t first = static_cast<std::int64_t>(task) * channels_a_task;
        for (std::int64_t c = first; c < std::min(first + channels_a_task, channels_); ++c) {
            for (std::int64_t t = 0; t < length_; ++t) {
                column[static_cast<std::size_t>(t)] =
                    delta[static_cast<std::size_t>(t * channels_ + c)];
            }
            add_channel(layer, c, column, a.subspan(static_cast<std::size_t>(c) * states, states));
        }
    });
}

void Calibration::add_channel(std::int64_t layer, std::int64_t channel,
                              std::span<const float> delta, std::span<const float> a) {
    std::vector<float> descending(delta.begin(), delta.end());
    std::sort(descending.begin(), descending.end(), std::greater<>());
    std::vector<float> steps(delta.begin(), delta.end());
    if (clamp_ > 0.0) {
        const auto k = std::max<std::int64_t>(
            1, static_cast<std::int64_t>(static_cast<double>(length_) * clamp_));
        const float limit = descending[static_cast<std::size_t>(k - 1)];
        for (float& step : steps) step = std::min(step, limit);
        for (float& step : descending) step = std::min(step, limit);
    }
    double sum = 0.0;
    for (const float step : steps) sum += static_cast<double>(step);
    const auto index = static_cast<std::size_t>(layer * channels_ + channel);
    const auto count = static_cast<double>(sequences_);
    log_decay_[index] += cumulative_log_decay(steps, a) / count;
    const auto& lengths = table_lengths();
    for (std::size_t j = 0; j < lengths.size(); ++j) {
        const float g = length_threshold(descending, sum, lengths[j]);
        table_[index * lengths.size() + j] += static_cast<double>(g) / count;
    }
}

CalibrationProfile Calibration::finish(std::string name) const {
    CalibrationProfile profile;
    profile.name = std::move(name);
    profile.training_length = length_;
    profile.sequences = sequences_;
    profile.clamp = clamp_;
    profile.layers = layers_;
    profile.channels = channels_;
    profile.lengths = table_lengths();
    profile.log_decay.assign(log_decay_.begin(), log_decay_.end());
    profile.threshold_table.assign(table_.begin(), table_.end());
    return profile;
}

}  // namespace sipo::context
