// Which fiber runs next.
#pragma once
#include <cstdint>
#include <vector>

#include "fibers.hpp"

namespace emulator {

class Scheduler {
public:
    explicit Scheduler(std::size_t fibers) : ring_(fibers + 1) {}

    void add(Fiber& fiber);  // it could go on
    // Until all have ended.
    void run_all();
    void progressed() { idle_ = 0; }
    // Fibers that were run so far: the emulator's time.
    [[nodiscard]] std::uint64_t turn() const { return turn_; }

private:
    [[nodiscard]] Fiber* take_next();
    [[nodiscard]] Fiber* take_drawn();
    [[nodiscard]] bool sleeps(const Fiber& fiber) const;
    void wait_for_late_work();
    void count_idling();

    std::vector<Fiber*> ring_;  // round robin
    std::size_t first_ = 0, count_ = 0;
    std::vector<Fiber*> runnable_;  // the other orders
    std::uint64_t turn_ = 0;
    std::uint64_t idle_ = 0;  // turns since something happened that a poll could wait for
};

}  // namespace emulator
