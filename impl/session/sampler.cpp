#include "session/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.hpp"

namespace sipo {

namespace {

// A NaN is as unlikely as can be.
float ordered(float logit) {
    return std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit;
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}

Sampler::Sampler(SamplingOptions options, const SamplerState& state)
    : options_(std::move(options)),
      random_(state.random),
      recent_(state.recent.begin(), state.recent.end()) {}

std::int32_t Sampler::sample(const LogitsView& logits) {
    const LogitsView wanted = adjusted(logits);
    std::int32_t token = wanted.likeliest();
    if (options_.temperature > 0.0) {
        rank_candidates(wanted.values());
        token = draw();
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

void Sampler::rank_candidates(std::span<const float> logits) {
    candidates_.clear();
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (std::isnan(logits[i])) continue;
        candidates_.push_back({logits[i], static_cast<std::int32_t>(i)});
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

double log_sum_exp(std::span<const float> logits) {
    float top = -std::numeric_limits<float>::infinity();
    for (const float logit : logits) top = std::max(top, ordered(logit));
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(ordered(logit) - top));
    return static_cast<double>(top) + std::log(sum);
}

std::vector<TokenLogProbability> likeliest_tokens(std::span<const float> logits,
                                                  std::int64_t count) {
    std::vector<std::int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    const auto wanted = std::min(count, static_cast<std::int64_t>(order.size()));
    const auto logit = [&](std::int32_t token) {
        return ordered(logits[static_cast<std::size_t>(token)]);
    };
    std::partial_sort(order.begin(), order.begin() + wanted, order.end(),
                      [&](std::int32_t a, std::int32_t b) {
                          return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
                      });
    const double total = log_sum_exp(logits);
    std::vector<TokenLogProbability> likeliest;
    for (std::int64_t i = 0; i < wanted; ++i) {
        const std::int32_t token = order[static_cast<std::size_t>(i)];
        likeliest.push_back({token, static_cast<float>(static_cast<double>(logit(token)) - total)});
    }
    return likeliest;
}

}  // namespace sipo
