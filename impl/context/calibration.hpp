// LongMamba's calibration (methods.md section 3): from the Δ of a plain prefill of the training
// length, each channel's log decay and its table of thresholds g(S).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "format/architecture.hpp"
#include "format/calibration_profile.hpp"

namespace sipo::context {

// The lengths S of the table: the public code's.
[[nodiscard]] const std::vector<std::int64_t>& table_lengths();

// Gathers the mean over sequences, one layer at a time.
class Calibration {
public:
    Calibration(const Architecture& architecture, std::int64_t length, std::int64_t sequences,
                double clamp);

    // delta [length, channels] of one sequence; a [channels, states] (Mamba-1) or [channels]
    // (Mamba-2), negative.
    void add_layer(std::int64_t layer, std::span<const float> delta, std::span<const float> a,
                   ThreadPool& pool);

    [[nodiscard]] CalibrationProfile finish(std::string name) const;

private:
    void add_channel(std::int64_t layer, std::int64_t channel, std::span<const float> delta,
                     std::span<const float> a);

    std::int64_t layers_;
    std::int64_t channels_;
    std::int64_t length_;
    std::int64_t sequences_;
    double clamp_;
    std::vector<double> log_decay_;  // [layers, channels], sums over sequences
    std::vector<double> table_;      // [layers, channels, lengths]
};

// Σ_t ln(mean_n exp(Δ_t · a_n)): in logarithms, so that nothing underflows.
[[nodiscard]] double cumulative_log_decay(std::span<const float> delta, std::span<const float> a);

// g(S) of one channel from its Δ in descending order and their sum.
[[nodiscard]] float length_threshold(std::span<const float> descending, double sum,
                                     std::int64_t total_tokens);

}  // namespace sipo::context
