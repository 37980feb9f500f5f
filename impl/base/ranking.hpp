// The likeliest of a row of logits and what all of them weigh: what drawing a token needs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sipo {

struct RankedToken {
    float logit = 0.0F;
    std::int32_t token = 0;
};

struct Ranking {
    std::vector<RankedToken> best;  // likeliest first, of equal ones the earlier; no NaN
    std::int64_t numbers = 0;       // logits that are not NaN
    double weight = 0.0;            // Σ exp((logit − the largest) / temperature) over those
};

// The `count` best, or all there are.
[[nodiscard]] Ranking rank_tokens(std::span<const float> logits, std::int64_t count,
                                  double temperature);

}  // namespace sipo
