// The logits after a token as a sampler sees them: the likeliest token is there at once, all of them
// may have to be fetched first.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/largest.hpp"
#include "base/ranking.hpp"

namespace sipo {

// Shallow like a span: what it was made of outlives it.
class LogitsView {
public:
    using Fetch = std::function<std::span<const float>()>;
    using Rank = std::function<Ranking(std::int64_t count, double temperature)>;

    // [vocab_size], on the host.
    explicit LogitsView(std::span<const float> values)
        : likeliest_(index_of_largest(values)),
          fetch_([values] { return values; }),
          rank_([values](std::int64_t count, double temperature) {
              return rank_tokens(values, count, temperature);
          }) {}
    // `likeliest` as index_of_largest() gives it; `fetch` gives [vocab_size]; `rank` as
    // rank_tokens(), or fewer.
    LogitsView(std::int32_t likeliest, Fetch fetch, Rank rank)
        : likeliest_(likeliest), fetch_(std::move(fetch)), rank_(std::move(rank)) {}

    // The earlier of equally likely ones; never a NaN's. Throws Code::backend_error when no logit
    // is a finite largest one.
    [[nodiscard]] std::int32_t likeliest() const {
        if (likeliest_ < 0) fail(Code::backend_error, "the logits are not finite numbers");
        return likeliest_;
    }
    [[nodiscard]] std::span<const float> values() const { return fetch_(); }
    // Up to `count` of the best.
    [[nodiscard]] Ranking rank(std::int64_t count, double temperature) const {
        return rank_(count, temperature);
    }

private:
    std::int32_t likeliest_;
    Fetch fetch_;
    Rank rank_;
};

}  // namespace sipo
