// A small generator of pseudo-random numbers (SplitMix64, Steele, Lea and Flood 2014): the same
// numbers for the same seed on every machine.
#pragma once

#include <cstdint>

namespace sipo {

class SplitMix64 {
public:
    explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }

    // As if next() had been called so often.
    void skip(std::uint64_t count) { state_ += count * 0x9e3779b97f4a7c15ULL; }

    // Uniform in [0, 1), of one call to next().
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

    // Uniform in [0, bound), by rejection; bound > 0.
    std::uint64_t below(std::uint64_t bound) {
        const std::uint64_t unfair = (0 - bound) % bound;
        for (;;) {
            const std::uint64_t value = next();
            if (value >= unfair) return value % bound;
        }
    }

    // SplitMix64(state()) goes on with the same numbers.
    [[nodiscard]] std::uint64_t state() const { return state_; }

private:
    std::uint64_t state_;
};

}  // namespace sipo
