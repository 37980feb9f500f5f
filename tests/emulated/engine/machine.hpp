// A launch that runs, and what it is made of: blocks in clusters, warps, barriers.
#pragma once
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fibers.hpp"
#include "late_work.hpp"
#include "memory.hpp"
#include "races.hpp"
#include "scheduler.hpp"

namespace emulator {

struct Warp {
    int number = 0;  // in its block
    int live = 0;    // lanes that have not ended
    int arrived = 0, kind = 0;
    int parity = 0;  // which slots those that come now fill: others may still read the last ones
    std::array<std::array<std::uint64_t, 32>, 2> slots{};
    std::array<Fiber*, 32> come{};
};

// bar.sync of a number.
struct Named {
    int count = 0;  // of threads; 0: the whole block
    std::vector<Fiber*> come;
};

struct Cluster {
    int live = 0, arrived = 0;
    unsigned phase = 0;
    std::vector<Fiber*> waiting;
};

struct MBarrier {
    Block* block = nullptr;
    unsigned char* place = nullptr;
    std::uint32_t number = 0;  // of all
    int expected = 0, pending = 0;
    std::int64_t bytes = 0;  // expected and not yet come
    std::uint32_t phases = 0;
    std::vector<Fiber*> waiting;
    std::vector<std::uint32_t> lazy;  // operations that end only when somebody waits here
};

struct Block {
    int number = 0, rank = 0;
    Cluster* cluster = nullptr;
    int live = 0;
    std::vector<Warp> warps;
    std::array<Named, 16> named;

    unsigned char* memory = nullptr;
    std::size_t bytes = 0, dynamic = 0, statics = 0;
    std::map<std::pair<std::string, int>, void*> static_places;
    std::vector<std::uint32_t>
        pending;  // a word of four bytes: the operation that will write it, + 1
    std::vector<std::uint32_t> stores;  // late ones, by operation
};

struct Machine {
    Machine(unsigned block_count, unsigned threads, unsigned cluster, std::size_t shared_bytes,
            const std::function<void()>& kernel);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    void leave(Fiber& fiber);  // the fiber has come to its end
    [[nodiscard]] std::uint64_t random();
    [[nodiscard]] int cluster_size() const {
        return static_cast<int>(blocks.size() / clusters.size());
    }
    [[nodiscard]] Block* block_of(const void* place);  // null: it is not in shared memory

    const std::function<void()>* body;
    std::size_t span;  // bytes from one block's memory to the next
    Mapping stacks, shared;
    std::vector<Cluster> clusters;
    std::vector<Block> blocks;
    std::vector<Fiber> fibers;
    std::vector<std::unique_ptr<MBarrier>> barriers;
    LateWork late;
    Scheduler scheduler;
    Races races;
    int live = 0;  // fibers that have not ended
    void* scheduler_stack = nullptr;
    std::string failure;                   // why a fiber cannot go on
    std::map<void*, std::string> sources;  // lines of addresses

private:
    void make_fiber(Block& block, unsigned thread, std::size_t number);
    std::uint64_t random_state_;
};

[[nodiscard]] inline Machine& machine() { return *current.machine; }
[[nodiscard]] std::uint64_t mixed(std::uint64_t bits);

// When the last one came or ended, the others go on.
bool may_end(Named& barrier, Block& block);
bool may_end(Warp& warp);
bool may_end(Cluster& cluster);
void may_end(MBarrier& barrier);
// The barrier at a place; `what` needs it there.
[[nodiscard]] MBarrier& barrier_at(const void* place, const char* what);
void arrive_once(MBarrier& barrier, const char* what);
void add_bytes(MBarrier& barrier, std::int64_t bytes);

}  // namespace emulator
