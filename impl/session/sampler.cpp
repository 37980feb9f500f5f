#include "session/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/error.hpp"

namespace sipo {

Sampler::Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}

Sampler::Sampler(SamplingOptions options, const SamplerState& state)
    : options_(std::move(options)),
      random_(state.random),
      recent_(state.recent.begin(), state.recent.end()) {}

std::int32_t Sampler::sample(const LogitsView& logits) {
    const LogitsView wanted = adjusted(logits);
    std::int32_t token = wanted.likeliest();
    if (options_.temperature > 0.0) {
        token = draw(wanted);
    }
    remember(token);
    return token;
}

SamplerState Sampler::state() const {
    return {.random = random_.state(), .recent = {recent_.begin(), recent_.end()}};
}

LogitsView Sampler::adjusted(const LogitsView& logits) {
    if (options_.repetition_penalty == 1.0 && options_.logit_bias.empty()) return logits;
    const std::span<const float> values = logits.values();
    logits_.assign(values.begin(), values.end());
    add_bias();
    penalise_repetition();
    return LogitsView(logits_);
}

void Sampler::add_bias() {
    for (const auto& [token, bias] : options_.logit_bias) {
        const auto index = static_cast<std::size_t>(token);
        if (index >= logits_.size()) {
            fail(Code::out_of_range, "a bias is for token ", token, "; the model has 0 to ",
                 logits_.size() - 1);
        }
        logits_[index] += bias;
    }
}

void Sampler::penalise_repetition() {
    if (options_.repetition_penalty == 1.0) return;
    const double penalty = options_.repetition_penalty;
    constexpr double largest = std::numeric_limits<float>::max();
    for (const std::int32_t token : std::set(recent_.begin(), recent_.end())) {
        float& logit = logits_[static_cast<std::size_t>(token)];
        const double exact = logit;
        const double changed = exact > 0.0 ? exact / penalty : exact * penalty;
        // A legal penalty must not make an infinity of a number.
        if (!std::isfinite(logit)) continue;
        logit = static_cast<float>(std::clamp(changed, -largest, largest));
    }
}

// A draw seldom needs more than a few of the likeliest, and to find those takes far less than to
// sort a vocabulary, or to fetch one from a device.
std::int32_t Sampler::draw(const LogitsView& logits) {
    constexpr std::int64_t few = 256;
    const std::int64_t all =
        options_.top_k > 0 ? options_.top_k : std::numeric_limits<std::int64_t>::max();
    const double uniform = random_.uniform();
    const auto token = draw_from(logits.rank(std::min(few, all), options_.temperature), uniform);
    if (token) return *token;
    return draw_from(rank_tokens(logits.values(), all, options_.temperature), uniform).value();
}

// None when the token lies beyond the ranking's best.
std::optional<std::int32_t> Sampler::draw_from(const Ranking& ranking, double uniform) {
    const std::vector<RankedToken>& best = ranking.best;
    const auto size = static_cast<std::int64_t>(best.size());
    const bool limited = options_.top_k > 0 && options_.top_k < ranking.numbers;
    const bool whole = size == (limited ? options_.top_k : ranking.numbers);
    if (limited && !whole) return std::nullopt;
    weights_.clear();
    weights_.reserve(best.size());
    double listed = 0.0;
    for (const RankedToken& token : best) {
        weights_.push_back(
            std::exp((static_cast<double>(token.logit) - static_cast<double>(best.front().logit)) /
                     options_.temperature));
        listed += weights_.back();
    }
    const double total = whole ? listed : ranking.weight;
    // The likeliest has weight 1, so min_p compares with it directly; it is always kept.
    double kept = 0.0;
    std::size_t count = 0;
    while (count < weights_.size() &&
           (count == 0 || (kept < options_.top_p * total && weights_[count] >= options_.min_p))) {
        kept += weights_[count++];
    }
    const bool cut = whole || count < weights_.size();
    if (!cut && (options_.top_p < 1.0 || options_.min_p > 0.0)) return std::nullopt;
    double left = uniform * (cut ? kept : total);
    for (std::size_t i = 0; i < count; ++i) {
        left -= weights_[i];
        if (left < 0.0) return best[i].token;
    }
    if (!cut) return std::nullopt;
    return best[count - 1].token;
}

void Sampler::remember(std::int32_t token) {
    recent_.push_back(token);
    while (static_cast<std::int64_t>(recent_.size()) > options_.repetition_window)
        recent_.pop_front();
}

}  // namespace sipo
