// What a channel remembers, measured (methods.md section 4): hidden attention, the effective
// receptive field and how Δ is distributed. Pure functions of what a scan reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sipo::context {

// What the scan of one channel (a head in Mamba-2) reads, in the order in which it visits tokens.
struct ChannelInputs {
    std::span<const float> delta;  // [tokens], as the method leaves it
    std::span<const float> a;      // [states], or one for all states (Mamba-2); negative
    const float* b = nullptr;      // [tokens, states], rows `stride` floats apart
    const float* c = nullptr;      // like b
    std::size_t states = 0;
    std::size_t stride = 0;
};

// weights[j] = |α(query, j)| for j ≤ query, where α(i, j) = Σ_n C_i,n · exp(A_n Σ_{k=j+1..i} Δ_k) ·
// Δ_j B_j,n (Ali, Zimerman and Wolf, arXiv 2403.01590). weights [query + 1].
void attention_row(const ChannelInputs& channel, std::size_t query, std::span<double> weights);

// Mamba mean distance (arXiv 2406.14528, section 3): Σ_j (p_query − p_j) · w_j / Σ_j w_j with the
// positions p of the tokens; 0 when all weights are. The query is the last one of `weights`.
[[nodiscard]] double mean_distance(std::span<const double> weights,
                                   std::span<const std::int64_t> positions);

// Bins of Δ: two an octave, from 2^lowest to 2^highest; what lies outside counts in the end bins.
struct DeltaBins {
    static constexpr int lowest = -22;
    static constexpr int highest = 6;
    static constexpr std::size_t count = 2 * (highest - lowest);

    [[nodiscard]] static std::size_t of(float delta);
    [[nodiscard]] static std::vector<float> edges();  // [count + 1]
};

// `points` places of a prompt of `tokens` tokens, evenly spread, as the number of tokens up to and
// with each: ascending, the last is `tokens`.
[[nodiscard]] std::vector<std::int64_t> even_places(std::int64_t tokens, std::int64_t points);

}  // namespace sipo::context
