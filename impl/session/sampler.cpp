#include "session/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.hpp"

namespace sipo {

std::int32_t Sampler::sample(std::span<const float> logits) {
    logits_.assign(logits.begin(), logits.end());
    penalise_repetition();
    std::int32_t token = greedy();
    if (!std::isfinite(logits_[static_cast<std::size_t>(token)])) {
        fail(Code::backend_error, "the logits are not finite numbers");
    }
    if (options_.temperature > 0.0) {
        rank_candidates();
        token = draw();
    }
    remember(token);
    return token;
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

std::int32_t Sampler::greedy() const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < logits_.size(); ++i) {
        // Written so that a number beats a NaN.
        if (!(logits_[i] <= logits_[best]) && !std::isnan(logits_[i])) best = i;
    }
    return static_cast<std::int32_t>(best);
}

void Sampler::rank_candidates() {
    candidates_.clear();
    for (std::size_t i = 0; i < logits_.size(); ++i) {
        if (std::isnan(logits_[i])) continue;
        candidates_.push_back({logits_[i], static_cast<std::int32_t>(i)});
    }
    const auto likelier = [](const Candidate& a, const Candidate& b) {
        return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
    };
    const auto all = static_cast<std::int64_t>(candidates_.size());
    const std::int64_t k = options_.top_k > 0 ? std::min(options_.top_k, all) : all;
    std::partial_sort(candidates_.begin(), candidates_.begin() + k, candidates_.end(), likelier);
    candidates_.resize(static_cast<std::size_t>(k));
}

std::int32_t Sampler::draw() {
    const auto top = static_cast<double>(candidates_.front().logit);
    weights_.clear();
    double total = 0.0;
    for (const Candidate& candidate : candidates_) {
        weights_.push_back(
            std::exp((static_cast<double>(candidate.logit) - top) / options_.temperature));
        total += weights_.back();
    }
    // The likeliest has weight 1, so min_p compares with it directly; it is always kept.
    double kept = 0.0;
    std::size_t count = 0;
    while (count < weights_.size() &&
           (count == 0 || (kept < options_.top_p * total && weights_[count] >= options_.min_p))) {
        kept += weights_[count++];
    }
    double left = random_.uniform() * kept;
    for (std::size_t i = 0; i + 1 < count; ++i) {
        left -= weights_[i];
        if (left < 0.0) return candidates_[i].token;
    }
    return candidates_[count - 1].token;
}

void Sampler::remember(std::int32_t token) {
    recent_.push_back(token);
    while (static_cast<std::int64_t>(recent_.size()) > options_.repetition_window)
        recent_.pop_front();
}

}  // namespace sipo
