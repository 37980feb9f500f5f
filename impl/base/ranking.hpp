// The likeliest of a row of logits and what all of them weigh: what drawing a token needs, and what
// log probabilities are made of. A NaN is no token's logit here: it is never ranked and weighs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace sipo {

struct RankedToken {
    float logit = 0.0F;
    std::int32_t token = 0;
};

struct Ranking {
    std::vector<RankedToken> best;  // likeliest first, of equal ones the earlier
    std::int64_t numbers = 0;       // logits that are not NaN
    double weight = 0.0;            // Σ exp((logit − the largest) / temperature) over those
};

// The `count` (1 or more) best, or all there are.
[[nodiscard]] Ranking rank_tokens(std::span<const float> logits, std::int64_t count,
                                  double temperature);

// Calls task(i) for every i in [0, tasks), in any order and on any thread.
using ParallelLoop =
    std::function<void(std::size_t tasks, const std::function<void(std::size_t)>& task)>;

// The same with the exponentials, most of the work, shared by threads: the same bits.
[[nodiscard]] Ranking rank_tokens(std::span<const float> logits, std::int64_t count,
                                  double temperature, const ParallelLoop& loop);

// ln Σ exp(logits), from a ranking of them with temperature 1; minus infinity when there are none.
[[nodiscard]] double log_sum_exp(const Ranking& ranking);

}  // namespace sipo
