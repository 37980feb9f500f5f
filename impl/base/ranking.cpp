#include "base/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sipo {
namespace {

bool likelier(const RankedToken& a, const RankedToken& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// The `count` best, likeliest first, and how many numbers there are: one look at each logit, which
// seldom is better than the worst of those kept in a heap.
Ranking best_of(std::span<const float> logits, std::int64_t count) {
    Ranking ranking;
    std::vector<RankedToken>& best = ranking.best;
    best.reserve(static_cast<std::size_t>(std::min(count, std::ssize(logits))));
    for (std::size_t i = 0; i < logits.size(); ++i) {
        const RankedToken token{logits[i], static_cast<std::int32_t>(i)};
        if (std::isnan(token.logit)) continue;
        ++ranking.numbers;
        if (std::ssize(best) == count) {
            if (!likelier(token, best.front())) continue;
            std::pop_heap(best.begin(), best.end(), likelier);
            best.pop_back();
        }
        best.push_back(token);
        std::push_heap(best.begin(), best.end(), likelier);
    }
    std::sort_heap(best.begin(), best.end(), likelier);
    return ranking;
}

double weight_of(std::span<const float> logits, double largest, double temperature) {
    double weight = 0.0;
    for (const float logit : logits) {
        if (std::isnan(logit)) continue;
        weight += std::exp((static_cast<double>(logit) - largest) / temperature);
    }
    return weight;
}

}  // namespace

Ranking rank_tokens(std::span<const float> logits, std::int64_t count, double temperature,
                    const ParallelLoop& loop) {
    Ranking ranking = best_of(logits, count);
    if (ranking.best.empty()) return ranking;
    const auto largest = static_cast<double>(ranking.best.front().logit);
    // Parts of one length, added in order: the same bits however they are shared.
    constexpr std::size_t part = 2048;
    std::vector<double> weights((logits.size() + part - 1) / part);
    loop(weights.size(), [&](std::size_t i) {
        const std::size_t first = i * part;
        const auto some = logits.subspan(first, std::min(part, logits.size() - first));
        weights[i] = weight_of(some, largest, temperature);
    });
    for (const double weight : weights) ranking.weight += weight;
    return ranking;
}

Ranking rank_tokens(std::span<const float> logits, std::int64_t count, double temperature) {
    return rank_tokens(logits, count, temperature, [](std::size_t tasks, const auto& task) {
        for (std::size_t i = 0; i < tasks; ++i) task(i);
    });
}

double log_sum_exp(const Ranking& ranking) {
    if (ranking.best.empty()) return -std::numeric_limits<double>::infinity();
    return static_cast<double>(ranking.best.front().logit) + std::log(ranking.weight);
}

}  // namespace sipo
