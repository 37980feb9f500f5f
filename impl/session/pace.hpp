// How much of a scheduler's round prompts may take while there are streams that wait for its end: a
// stream's usual time for a token, times `patience`. In time rather than in tokens, so that whatever holds
// up a round (a processor lent to others, memory touched for the first time) is taken from the prompts and
// not from the streams.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace sipo {

// Used by one thread.
class Pace {
public:
    using Clock = std::chrono::steady_clock;
    using Seconds = std::chrono::duration<double>;

    // The streams get their tokens now.
    void begin_round() {
        began_ = Clock::now();
        streams_ = false;
    }
    // The streams have read them.
    void note_decoded() {
        streams_ = true;
        recent_[next_++ % recent_.size()] = Seconds(Clock::now() - began_);
    }
    // Whether it is time to give the streams their next tokens.
    [[nodiscard]] bool streams_have_waited() const {
        return streams_ && Clock::now() - began_ > std::max(shortest, patience * usual());
    }

private:
    // Of the round: a device that only takes orders answers sooner than it computes.
    static constexpr Seconds shortest{0.01};
    static constexpr double patience = 5.0;

    // The median of the recent times of a token.
    [[nodiscard]] Seconds usual() const {
        std::array<Seconds, 15> sorted = recent_;
        const auto end =
            sorted.begin() + static_cast<std::ptrdiff_t>(std::min(next_, sorted.size()));
        const auto middle = sorted.begin() + (end - sorted.begin()) / 2;
        std::nth_element(sorted.begin(), middle, end);
        return *middle;
    }

    Clock::time_point began_;
    bool streams_ = false;
    std::array<Seconds, 15> recent_{};
    std::size_t next_ = 0;
};

}  // namespace sipo
