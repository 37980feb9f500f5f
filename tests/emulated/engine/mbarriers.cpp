// Barriers in shared memory that count arrivals and bytes. A word of the kernel's memory says which one it is.
#include <cstring>

#include "machine.hpp"
#include "reports.hpp"

namespace emulator {
namespace {

constexpr std::uint32_t magic = 0xb5a7714eU;
// As PTX has them.
constexpr unsigned most_arrivals = (1U << 20) - 1;
constexpr std::int64_t most_bytes = (1 << 20) - 1;

struct Word {
    std::uint32_t number, magic;
};
static_assert(sizeof(Word) == sizeof(std::uint64_t));

[[nodiscard]] MBarrier* find(const void* place) {
    Word word;
    std::memcpy(&word, place, sizeof word);
    const auto& all = machine().barriers;
    const bool is_one =
        word.magic == magic && word.number < all.size() && all[word.number]->place == place;
    return is_one ? all[word.number].get() : nullptr;
}

[[nodiscard]] MBarrier& own_barrier_at(void* place, const char* what) {
    MBarrier& b = barrier_at(place, what);
    if (b.block != self().in) fatal(text(what, ": another block's barrier by a local address"));
    return b;
}

void arrive(MBarrier& b, const char* what) {
    machine().races.arrives(self().number, b.number);
    arrive_once(b, what);
    may_end(b);
}

}  // namespace

MBarrier& barrier_at(const void* place, const char* what) {
    Block* block = machine().block_of(place);
    if (block == nullptr || reinterpret_cast<std::uintptr_t>(place) % sizeof(Word) != 0)
        fatal(text(what, ": no mbarrier can be at ", place));
    MBarrier* b = find(place);
    if (b == nullptr) {
        fatal(text(what, ": no mbarrier (not yet made, or overwritten) at byte ",
                   static_cast<const unsigned char*>(place) - block->memory, " of block ",
                   block->number));
    }
    return *b;
}

void arrive_once(MBarrier& b, const char* what) {
    if (b.pending == 0) fatal(text(what, ": more arrivals than expected at ", state_of(b)));
    --b.pending;
}

void add_bytes(MBarrier& b, std::int64_t bytes) {
    b.bytes += bytes;
    if (b.bytes > most_bytes || b.bytes < -most_bytes)
        fatal(text("tx-count out of range: ", state_of(b)));
}

void may_end(MBarrier& b) {
    if (b.pending != 0 || b.bytes != 0) return;
    b.pending = b.expected;
    ++b.phases;
    machine().races.phase_ends(b.number);
    machine().scheduler.progressed();
    for (Fiber* f : b.waiting) machine().scheduler.add(*f);
    b.waiting.clear();
}

void init_barrier(void* place, unsigned arrivals) {
    Block& block = own_block_with(place, sizeof(Word), "init_barrier", __builtin_return_address(0));
    if (arrivals == 0 || arrivals > most_arrivals)
        fatal(text("init_barrier with ", arrivals, " arrivals"));
    if (find(place) != nullptr) fatal("init_barrier of a barrier that is one already");
    auto b = std::make_unique<MBarrier>();
    b->block = &block;
    b->place = static_cast<unsigned char*>(place);
    b->expected = b->pending = static_cast<int>(arrivals);
    b->number = static_cast<std::uint32_t>(machine().barriers.size());
    machine().races.makes(b->number, block.number);
    const Word word{b->number, magic};
    std::memcpy(place, &word, sizeof word);
    machine().barriers.push_back(std::move(b));
}

void arrive(void* place) { arrive(own_barrier_at(place, "arrive"), "arrive"); }
void arrive_remote(std::uint32_t address) {
    arrive(barrier_at(resolve(address), "arrive"), "arrive");
}

void expect(void* place, std::uint32_t bytes) {
    MBarrier& b = own_barrier_at(place, "arrive.expect_tx");
    add_bytes(b, bytes);
    arrive(b, "arrive.expect_tx");
}

// A phase that ended while its waiter slept must not be followed by another: the parity would be the old one.
void wait(void* place, std::uint32_t parity) {
    void* where = __builtin_return_address(0);
    MBarrier& b = own_barrier_at(place, "wait");
    if (parity > 1) fatal(text("wait for parity ", parity));
    const bool at_once = (b.phases & 1U) != parity;
    for (bool waited = false; (b.phases & 1U) == parity; waited = true) {
        if (waited)
            error(text(name_of(self()), " was run past at ", state_of(b), " (", source_of(where),
                       ")"));
        b.waiting.push_back(&self());
        machine().late.hurry(b);
        block_on(Wait::mbarrier, &b, parity, where);
    }
    if (at_once) yield_sometimes(where);
    machine().races.waited(self().number, b.number);
}

}  // namespace emulator
