#include "scheduler.hpp"

#include "machine.hpp"
#include "reports.hpp"

namespace emulator {
namespace {

// In rounds of all fibers: many times as long as a copy or a store is under way, or a block sleeps.
constexpr std::uint64_t patience = 300;
// After so many nobody is left who has not come to where it polls: what copies is not waited for at a barrier.
constexpr std::uint64_t rounds_before_hurry = 20;

}  // namespace

void Scheduler::add(Fiber& f) {
    f.ready = Ready::yes;
    f.wait = Wait::none;
    if (current.settings.order == Order::round_robin) {
        ring_[(first_ + count_++) % ring_.size()] = &f;
    } else {
        runnable_.push_back(&f);
    }
}

void Scheduler::run_all() {
    Machine& m = machine();
    while (m.live > 0) {
        m.late.finish_due(++turn_);
        Fiber* f = take_next();
        if (f == nullptr) {
            wait_for_late_work();
            continue;
        }
        count_idling();
        run(*f);
        if (!m.failure.empty()) give_up(m.failure);
    }
}

Fiber* Scheduler::take_next() {
    if (current.settings.order != Order::round_robin)
        return runnable_.empty() ? nullptr : take_drawn();
    if (count_ == 0) return nullptr;
    Fiber* f = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --count_;
    return f;
}

Fiber* Scheduler::take_drawn() {
    constexpr int tries = 12;
    std::size_t at = 0;
    for (int i = 0; i < tries; ++i) {
        at = machine().random() % runnable_.size();
        if (current.settings.order != Order::skewed || !sleeps(*runnable_[at])) break;
    }
    Fiber* f = runnable_[at];
    runnable_[at] = runnable_.back();
    runnable_.pop_back();
    return f;
}

// A third of the blocks at a time, and a third of the warps for a third as long.
bool Scheduler::sleeps(const Fiber& f) const {
    const std::uint64_t seed = current.settings.seed;
    const std::uint64_t epoch = turn_ / (4 * machine().fibers.size() + 1);
    const auto block = static_cast<std::uint64_t>(f.in->number);
    const std::uint64_t warp = block * 64 + f.thread.x / 32;
    return mixed(seed * 77 + epoch / 3 * 1000003 + block) % 3 == 0 ||
           mixed(seed * 99 + epoch * 10007 + warp) % 3 == 0;
}

// Nobody can run before that.
void Scheduler::wait_for_late_work() {
    LateWork& late = machine().late;
    if (late.next_turn() == 0) {
        if (!late.hurry_all()) give_up("deadlock");
        return;
    }
    turn_ = late.next_turn() - 1;
}

void Scheduler::count_idling() {
    const std::uint64_t round = machine().fibers.size();
    if (++idle_ > rounds_before_hurry * round) machine().late.hurry_all();
    if (idle_ > patience * round) give_up(text(idle_, " turns of polling and no store"));
}

}  // namespace emulator
