// Chooses the next token from logits. Plain and deterministic: the same logits, options and seed
// give the same tokens on every backend that gives the same logits.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/random.hpp"

namespace sipo {

// Ranges and meanings: sipo.h. Applied in the order of the members.
struct SamplingOptions {
    double repetition_penalty = 1.0;
    std::int64_t repetition_window = 64;
    double temperature = 0.0;  // 0: greedy
    std::int64_t top_k = 0;    // 0: all
    double top_p = 1.0;
    double min_p = 0.0;
    std::uint64_t seed = 0;
    bool ignore_end_of_text = false;
};

class Sampler {
public:
    explicit Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}

    // A NaN is never chosen. Throws Code::backend_error when no logit is a finite largest one.
    [[nodiscard]] std::int32_t sample(std::span<const float> logits);

private:
    struct Candidate {
        float logit;
        std::int32_t token;
    };
    void penalise_repetition();
    [[nodiscard]] std::int32_t greedy() const;
    void rank_candidates();
    [[nodiscard]] std::int32_t draw();
    void remember(std::int32_t token);

    SamplingOptions options_;
    SplitMix64 random_;
    std::deque<std::int32_t> recent_;
    std::vector<float> logits_;
    std::vector<Candidate> candidates_;  // likeliest first
    std::vector<double> weights_;
};

}  // namespace sipo
