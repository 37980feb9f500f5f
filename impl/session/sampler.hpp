// Chooses the next token from logits. Plain and deterministic: the same logits, options and seed
// give the same tokens on every backend that gives the same logits.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "session/logits_view.hpp"

namespace sipo {

struct TokenLogProbability {
    std::int32_t token = 0;
    float log_probability = 0.0F;  // nats
};

// Called with a token, its log probability and the likeliest ones of its place, likeliest first; a
// nonzero return stops.
using LogProbabilitiesFn =
    std::function<int(TokenLogProbability chosen, std::span<const TokenLogProbability> likeliest)>;

// Ranges and meanings: sipo.h. The first six are applied in the order of the members.
struct SamplingOptions {
    std::vector<std::pair<std::int32_t, float>> logit_bias;
    double repetition_penalty = 1.0;
    std::int64_t repetition_window = 64;
    double temperature = 0.0;  // 0: greedy
    std::int64_t top_k = 0;    // 0: all
    double top_p = 1.0;
    double min_p = 0.0;
    std::uint64_t seed = 0;
    bool ignore_end_of_text = false;
    bool resume = false;             // go on with the session's SamplerState
    std::vector<std::string> stops;  // sequences of text that end a generation
    std::int64_t likeliest = 0;      // how many on_log_probabilities is told
    LogProbabilitiesFn on_log_probabilities;
};

// What a sampler remembers from token to token.
struct SamplerState {
    std::uint64_t random = 0;
    std::vector<std::int32_t> recent;  // the window of the repetition penalty
};

class Sampler {
public:
    explicit Sampler(const SamplingOptions& options);
    Sampler(SamplingOptions options, const SamplerState& state);

    // A NaN is never chosen. The values are asked for only when the likeliest token of the logits
    // as they are does not answer. Throws Code::backend_error when no logit is a finite largest
    // one, and Code::out_of_range when a bias names a token that has no logit.
    [[nodiscard]] std::int32_t sample(const LogitsView& logits);
    [[nodiscard]] SamplerState state() const;

private:
    // The logits with bias and penalty, in logits_ when they differ from those given.
    [[nodiscard]] LogitsView adjusted(const LogitsView& logits);
    void add_bias();
    void penalise_repetition();
    [[nodiscard]] std::int32_t draw(const LogitsView& logits);
    [[nodiscard]] std::optional<std::int32_t> draw_from(const Ranking& ranking, double uniform);
    void remember(std::int32_t token);

    SamplingOptions options_;
    SplitMix64 random_;
    std::deque<std::int32_t> recent_;
    std::vector<float> logits_;
    std::vector<double> weights_;
};

}  // namespace sipo
