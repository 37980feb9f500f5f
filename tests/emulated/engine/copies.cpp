// How threads ask for what comes late: PTX's copies and stores, and what they demand of addresses.
#include <cstring>

#include "machine.hpp"
#include "reports.hpp"

namespace emulator {
namespace {

[[nodiscard]] bool on_border(const void* place, std::uint32_t bytes) {
    return reinterpret_cast<std::uintptr_t>(place) % bytes == 0;
}

// A copy from global memory, which may have been read at any time until it comes.
[[nodiscard]] Operation copy(Kind kind, Block& target, void* to, const void* from,
                             std::uint32_t bytes, void* where) {
    Operation op{.kind = kind, .where = where, .target = &target};
    op.to = static_cast<unsigned char*>(to);
    op.from = static_cast<const unsigned char*>(from);
    op.bytes = bytes;
    if (machine().random() % 2 == 0) op.read_now(from);
    return op;
}
[[nodiscard]] Operation store(Kind kind, void* to, const void* data, std::uint32_t bytes,
                              void* where) {
    Operation op{.kind = kind, .where = where};
    if (kind != Kind::store) op.target = machine().block_of(to);
    op.to = static_cast<unsigned char*>(to);
    op.bytes = bytes;
    op.read_now(data);
    return op;
}

// To a block of the cluster, by addresses there.
struct Place {
    std::uint32_t address, border, barrier;
};
void store_counted(Kind kind, const char* what, const Place& place, const void* data,
                   std::uint32_t bytes, void* where) {
    MBarrier& b = barrier_at(resolve(place.barrier), what);
    Operation op = store(kind, resolve(place.address), data, bytes, where);
    if (op.target != b.block)
        fatal(text(what, " to one block with the barrier of another (", source_of(where), ")"));
    if (!on_border(op.to, place.border))
        fatal(text(what, " to an odd address (", source_of(where), ")"));
    op.barrier = &b;
    machine().late.start(std::move(op));
}

}  // namespace

void copy_bulk(void* to, const void* from, std::uint32_t bytes, void* barrier) {
    void* where = __builtin_return_address(0);
    Block& target = own_block_with(to, bytes, "copy_bulk", where);
    if (bytes % 16 != 0 || bytes == 0 || !on_border(to, 16) || !on_border(from, 16)) {
        fatal(text("copy_bulk: ", bytes, " bytes from ", from, " to byte ",
                   static_cast<unsigned char*>(to) - target.memory, " are not on borders of 16 (",
                   source_of(where), ")"));
    }
    Operation op = copy(Kind::bulk, target, to, from, bytes, where);
    op.barrier = &barrier_at(barrier, "copy_bulk");
    machine().late.start(std::move(op));
}

void copy_async(void* to, const void* from, std::uint32_t bytes, bool present) {
    void* where = __builtin_return_address(0);
    Block& target = own_block_with(to, bytes, "cp.async", where);
    if ((bytes != 4 && bytes != 8 && bytes != 16) || !on_border(to, bytes) ||
        !on_border(from, bytes)) {
        fatal(text("cp.async: ", bytes, " bytes from ", from, " to byte ",
                   static_cast<unsigned char*>(to) - target.memory, " are not on their borders (",
                   source_of(where), ")"));
    }
    Operation op{.kind = Kind::async, .where = where, .target = &target};
    if (present) {
        op = copy(Kind::async, target, to, from, bytes, where);
    } else {
        op.to = static_cast<unsigned char*>(to);
        op.bytes = bytes;
        op.zeros = true;
    }
    op.sequence = self().copies++;
    self().outstanding.push_back(op.sequence);
    machine().late.start(std::move(op));
}

void commit_group() { self().groups.push_back(self().copies); }

void wait_groups(int left) {
    Fiber& f = self();
    f.value = static_cast<std::uint32_t>(left);
    if (groups_have_come(f)) {
        yield_sometimes(__builtin_return_address(0));
    } else {
        block_on(Wait::copies, nullptr, f.value, __builtin_return_address(0));
    }
}

void arrive_when_copied(void* place) {
    Fiber& f = self();
    MBarrier& b = barrier_at(place, "cp.async.mbarrier.arrive");
    if (!f.outstanding.empty()) {
        f.arrivals.push_back({f.copies, &b});
        return;
    }
    Operation op{.kind = Kind::arrival, .where = __builtin_return_address(0)};
    op.barrier = &b;
    machine().late.start(std::move(op));
}

void send(std::uint32_t address, const void* data, std::uint32_t bytes, std::uint32_t barrier) {
    store_counted(Kind::word, "st.async", {address, bytes, barrier}, data, bytes,
                  __builtin_return_address(0));
}

void copy_tile(std::uint32_t address, const void* tile, std::uint32_t bytes,
               std::uint32_t barrier) {
    constexpr std::uint32_t border = 1024;
    store_counted(Kind::bulk, "copy of a tile", {address, border, barrier}, tile, bytes,
                  __builtin_return_address(0));
}

void store_late(void* to, const void* data, std::uint32_t bytes) {
    void* where = __builtin_return_address(0);
    if (!on_border(to, bytes))
        fatal(text("a relaxed store to an odd address (", source_of(where), ")"));
    machine().scheduler.progressed();
    machine().late.finish_stores_to(self(), to, bytes);
    machine().late.start(store(Kind::store, to, data, bytes, where));
}

void load_polled(void* out, const void* from, std::uint32_t bytes) {
    void* where = __builtin_return_address(0);
    if (!on_border(from, bytes))
        fatal(text("a relaxed load from an odd address (", source_of(where), ")"));
    yield_at(where, Wait::polls);
    machine().late.finish_stores_to(self(), from, bytes);
    machine().races.loads(self().number, from, bytes);
    std::memcpy(out, from, bytes);
}

void progress() { machine().scheduler.progressed(); }
void flush_stores() { machine().late.finish_stores_of(self()); }

}  // namespace emulator
