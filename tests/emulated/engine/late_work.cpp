#include "late_work.hpp"

#include <algorithm>
#include <cstring>

#include "machine.hpp"
#include "reports.hpp"

namespace emulator {
namespace {

// Rounds of all fibers that a copy or a store is under way at the longest, and how much longer some are.
constexpr std::uint64_t longest_rounds = 3, longer = 8;
constexpr std::uint64_t short_turns = 64;

std::uint64_t drawn_delay() {
    const std::uint64_t r = machine().random();
    const std::uint64_t longest = longest_rounds * machine().fibers.size();
    const std::uint64_t drawn = r >> 8;
    if ((r & 3) == 0) return 1 + drawn % short_turns;
    return 1 + drawn % ((r & 0x7c) == 0 ? longer * longest : longest);
}

[[nodiscard]] bool all_from(const std::vector<std::uint64_t>& outstanding, std::uint64_t first) {
    return std::all_of(outstanding.begin(), outstanding.end(),
                       [first](std::uint64_t s) { return s >= first; });
}

void fire(Fiber& f, MBarrier& b) {
    machine().races.arrives(f.number, b.number);
    arrive_once(b, "cp.async.mbarrier.arrive");
    may_end(b);
}

// A thread's cp.async has come.
void copied(Fiber& f, std::uint64_t sequence) {
    std::erase(f.outstanding, sequence);
    std::vector<LateArrival> left;
    for (const LateArrival& a : std::exchange(f.arrivals, {})) {
        if (all_from(f.outstanding, a.before)) {
            fire(f, *a.barrier);
        } else {
            left.push_back(a);
        }
    }
    f.arrivals = std::move(left);
    if (f.wait == Wait::copies && f.ready == Ready::no && groups_have_come(f))
        machine().scheduler.add(f);
}

void write(const Operation& op) {
    if (op.zeros) {
        std::memset(op.to, 0, op.bytes);
    } else if (op.to != nullptr) {
        std::memcpy(op.to, op.read ? op.data.data() : op.from, op.bytes);
    }
}

// What comes of the copy besides its bytes.
void complete(const Operation& op, std::uint32_t id) {
    switch (op.kind) {
        case Kind::bulk:
        case Kind::word:
            add_bytes(*op.barrier, -std::int64_t{op.bytes});
            may_end(*op.barrier);
            break;
        case Kind::async: copied(*op.by, op.sequence); break;
        case Kind::arrival: fire(*op.by, *op.barrier); break;
        case Kind::store:
            --op.by->late_stores;
            std::erase(op.by->in->stores, id);
            break;
    }
}

}  // namespace

bool groups_have_come(const Fiber& f) {
    if (f.groups.size() <= f.value) return true;
    return all_from(f.outstanding, f.groups[f.groups.size() - 1 - f.value]);
}

void Operation::read_now(const void* source) {
    const auto* p = static_cast<const unsigned char*>(source);
    data.assign(p, p + bytes);
    read = true;
}

std::string name_of(const Operation& op) {
    static constexpr std::array names{"bulk copy", "cp.async", "st.async", "relaxed store",
                                      "arrival of cp.async"};
    return text(names[static_cast<std::size_t>(op.kind)], " of ", name_of(*op.by), " (",
                source_of(op.where), ")");
}

std::uint32_t LateWork::place_for(Operation op) {
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(operations_.size()));
        operations_.emplace_back();
    }
    const std::uint32_t id = free_.back();
    free_.pop_back();
    op.generation = operations_[id].generation + 1;
    operations_[id] = std::move(op);
    return id;
}

void LateWork::start(Operation operation) {
    const std::uint32_t id = place_for(std::move(operation));
    Operation& op = operations_[id];
    op.active = true;
    op.by = &self();
    if (op.kind == Kind::word || op.kind == Kind::store)
        op.knew = machine().races.take(op.by->number);
    if (op.kind == Kind::store) {
        ++op.by->late_stores;
        op.by->in->stores.push_back(id);
    }
    ++current.totals.late;
    if (op.target != nullptr) {
        if (op.target->live == 0)
            error(text(name_of(op), " goes to block ", op.target->number, ", which has ended"));
        guard_target(op, id);
    }
    schedule(id);
}

// Every other copy comes only when somebody waits at its barrier: whoever forgets to wait never sees it.
void LateWork::schedule(std::uint32_t id) {
    MBarrier* b = operations_[id].barrier;
    const bool may_be_lazy =
        b != nullptr && b->waiting.empty() && operations_[id].kind != Kind::arrival;
    if (!may_be_lazy || machine().random() % 2 == 0) return schedule_now(id);
    b->lazy.push_back(id);
    ++lazy_;
}
void LateWork::schedule_now(std::uint32_t id) {
    due_.push_back({machine().scheduler.turn() + drawn_delay(), id, operations_[id].generation});
    std::push_heap(due_.begin(), due_.end());
}

void LateWork::hurry(MBarrier& b) {
    for (std::uint32_t id : b.lazy) schedule_now(id);
    lazy_ -= b.lazy.size();
    b.lazy.clear();
}
bool LateWork::hurry_all() {
    if (lazy_ == 0) return false;
    for (const auto& b : machine().barriers) hurry(*b);
    return true;
}

void LateWork::finish_due(std::uint64_t turn) {
    while (!due_.empty() && due_.front().turn <= turn) {
        const Due d = due_.front();
        std::pop_heap(due_.begin(), due_.end());
        due_.pop_back();
        const Operation& op = operations_[d.id];
        if (op.active && op.generation == d.generation) finish(d.id);
    }
}

void LateWork::finish(std::uint32_t id) {
    Operation& op = operations_[id];
    machine().scheduler.progressed();
    if (op.target != nullptr) {
        check_target(op, id);
        machine().races.copy_ends(
            op.by->number, op.to, op.bytes,
            op.barrier != nullptr ? static_cast<int>(op.barrier->number) : -1);
    }
    if (op.kind == Kind::word) machine().races.carries(op.barrier->number, op.knew);
    if (op.kind == Kind::store) machine().races.stored(op.to, op.bytes, op.knew);
    write(op);
    op.active = false;
    free_.push_back(id);
    complete(op, id);
}

// In their order.
template <typename Chosen>
void LateWork::finish_stores(Block& block, const Chosen& chosen) {
    for (std::size_t i = 0; i < block.stores.size();) {
        const std::uint32_t id = block.stores[i];
        if (chosen(operations_[id])) {
            finish(id);
        } else {
            ++i;
        }
    }
}
void LateWork::finish_stores_of(Fiber& f) {
    if (f.late_stores == 0) return;
    finish_stores(*f.in, [&f](const Operation& op) { return op.by == &f; });
}
void LateWork::finish_stores_to(Fiber& f, const void* place, std::size_t bytes) {
    const auto* p = static_cast<const unsigned char*>(place);
    finish_stores(*f.in, [p, bytes](const Operation& op) {
        return op.kind == Kind::store && op.to < p + bytes && p < op.to + op.bytes;
    });
}

const Operation* LateWork::active(std::uint32_t number) const {
    return number != 0 && operations_[number - 1].active ? &operations_[number - 1] : nullptr;
}

void LateWork::end() {
    for (const Operation& op : operations_) {
        if (op.active && op.target != nullptr)
            error(text("the launch ends while a ", name_of(op), " is under way"));
    }
}

}  // namespace emulator
