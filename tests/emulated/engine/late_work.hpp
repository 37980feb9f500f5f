// What a thread asks for and what happens later, in a drawn order: copies, stores, arrivals.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "clocks.hpp"

namespace emulator {

struct Block;
struct Fiber;
struct MBarrier;

enum class Kind { bulk, async, word, store, arrival };

struct Operation {
    Kind kind{};
    Fiber* by = nullptr;
    void* where = nullptr;    // in the kernel
    Block* target = nullptr;  // whose memory is written; null: global memory
    unsigned char* to = nullptr;
    const unsigned char* from = nullptr;
    std::uint32_t bytes = 0;
    MBarrier* barrier = nullptr;
    bool zeros = false;
    bool read = false;  // `data` holds what is written: it was read when it was asked for
    std::vector<unsigned char> data{};
    std::uint64_t sequence = 0;  // of the thread's cp.async
    Snapshot knew{};             // what the thread knew
    bool active = false;
    std::uint32_t generation = 0;  // of what had this place before

    void read_now(const void* source);
};
[[nodiscard]] std::string name_of(const Operation& operation);

class LateWork {
public:
    void start(Operation operation);
    void finish_due(std::uint64_t turn);
    // A thread's own stores, before others may rely on them.
    void finish_stores_of(Fiber& fiber);
    // The stores of a thread's block to a place: it sees them at once.
    void finish_stores_to(Fiber& fiber, const void* place, std::size_t bytes);
    // What ends only when somebody waits for it.
    void hurry(MBarrier& barrier);
    bool hurry_all();  // whether there was anything
    // When the next operation ends; 0: none.
    [[nodiscard]] std::uint64_t next_turn() const { return due_.empty() ? 0 : due_.front().turn; }
    // By number, + 1; null: has ended.
    [[nodiscard]] const Operation* active(std::uint32_t number) const;
    // Of the launch: nothing may be under way.
    void end();

private:
    struct Due {
        std::uint64_t turn;
        std::uint32_t id, generation;
        bool operator<(const Due& other) const { return turn > other.turn; }
    };
    [[nodiscard]] std::uint32_t place_for(Operation operation);
    void schedule(std::uint32_t id);
    void schedule_now(std::uint32_t id);
    void finish(std::uint32_t id);
    template <typename Chosen>
    void finish_stores(Block& block, const Chosen& chosen);

    std::deque<Operation> operations_;
    std::vector<std::uint32_t> free_;
    std::vector<Due> due_;  // a heap
    std::size_t lazy_ = 0;
};

}  // namespace emulator
