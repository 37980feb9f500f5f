#include "base/ranking.hpp"

#include <algorithm>
#include <cmath>

namespace sipo {

Ranking rank_tokens(std::span<const float> logits, std::int64_t count, double temperature) {
    Ranking ranking;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (std::isnan(logits[i])) continue;
        ranking.best.push_back({logits[i], static_cast<std::int32_t>(i)});
    }
    ranking.numbers = static_cast<std::int64_t>(ranking.best.size());
    if (ranking.best.empty()) return ranking;
    const auto likelier = [](const RankedToken& a, const RankedToken& b) {
        return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
    };
    const auto end = ranking.best.begin() + std::min(count, ranking.numbers);
    std::partial_sort(ranking.best.begin(), end, ranking.best.end(), likelier);
    const auto top = static_cast<double>(ranking.best.front().logit);
    for (const RankedToken& token : ranking.best) {
        ranking.weight += std::exp((static_cast<double>(token.logit) - top) / temperature);
    }
    ranking.best.erase(end, ranking.best.end());
    return ranking;
}

}  // namespace sipo
