// A fiber a thread of the kernel: its stack, what it waits for, and how it takes turns with the scheduler.
#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "emulator.hpp"

namespace emulator {

struct Block;
struct Warp;
struct MBarrier;

enum class Wait { none, named, warp, mbarrier, cluster, copies, polls };
enum class Ready { no, yes, done };

// An arrival at a barrier that comes when the copies have that were asked for before it.
struct LateArrival {
    std::uint64_t before;
    MBarrier* barrier;
};

// That have not been made: of the group that is asked for, and of groups that are complete.
struct Products {
    std::vector<std::function<void()>> asked;
    std::deque<std::vector<std::function<void()>>> groups;
};

struct Fiber : Thread {
    int number = 0;  // of all
    Block* in = nullptr;
    Warp* warp = nullptr;
    int lane = 0;

    void* stack_pointer = nullptr;
    unsigned char* stack = nullptr;

    Ready ready = Ready::no;
    Wait wait = Wait::none;
    void* object = nullptr;  // that it waits at
    std::uint32_t value = 0;
    void* where = nullptr;  // in the kernel

    bool at_cluster = false;  // has arrived and not yet waited
    unsigned cluster_phase = 0;

    std::uint64_t copies = 0;                // of cp.async, by number
    std::vector<std::uint64_t> outstanding;  // those under way
    std::vector<std::uint64_t> groups;       // the number at each one's end
    std::vector<LateArrival> arrivals;
    int late_stores = 0;
    Products products;
};

inline constexpr std::size_t stack_bytes = 64 << 10;

[[nodiscard]] Fiber& self();
// Makes the fiber start in `body` of the launch when it is run first.
void prepare(Fiber& fiber);
// By the scheduler: until the fiber waits or ends.
void run(Fiber& fiber);
// By a fiber: back to the scheduler.
// Whether so many groups as the fiber waits for (its value: all but so many) have come.
[[nodiscard]] bool groups_have_come(const Fiber& fiber);
void block_on(Wait wait, void* object, std::uint32_t value, void* where);
void yield_at(void* where, Wait wait);
// The last one that came to a barrier is not always the first that goes on.
void yield_sometimes(void* where);
[[noreturn]] void leave_for_good();
[[nodiscard]] bool on_fiber_stack(const void* place);

}  // namespace emulator
