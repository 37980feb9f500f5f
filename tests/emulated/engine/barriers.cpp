// Where threads meet: numbered barriers of a block, warps, clusters.
#include "machine.hpp"
#include "reports.hpp"

namespace emulator {
namespace {

constexpr unsigned full_mask = 0xffffffffU;

// bar.sync counts warps: half of one is an error.
void check_whole_warps(const Named& b, const Block& block) {
    std::vector<int> come(block.warps.size());
    for (const Fiber* f : b.come) ++come[static_cast<std::size_t>(f->warp->number)];
    for (std::size_t w = 0; w < come.size(); ++w) {
        if (come[w] == 0 || come[w] == block.warps[w].live) continue;
        error(text("barrier ", &b - block.named.data(), " of block ", block.number, ": only ",
                   come[w], " of ", block.warps[w].live, " lanes of warp ", w, " came"));
    }
}

void let_go_on(const std::vector<Fiber*>& waiting, Wait wait) {
    for (Fiber* f : waiting) {
        if (f->wait == wait) machine().scheduler.add(*f);
    }
}

// Whether all have come, then.
bool come_to(int id, int count, void* where) {
    Fiber& f = self();
    if (id < 0 || id > 15 || count % 32 != 0)
        fatal(text("barrier ", id, " of ", count, " threads"));
    Named& b = f.in->named[static_cast<std::size_t>(id)];
    if (!b.come.empty() && b.count != count) {
        fatal(text("barrier ", id, " of block ", f.in->number, ": ", b.count, " and ", count,
                   " threads at once (", source_of(where), ")"));
    }
    b.count = count;
    b.come.push_back(&f);
    return may_end(b, *f.in);
}

void meet_at(int id, int count, void* where) {
    if (come_to(id, count, where)) {
        yield_sometimes(where);
    } else {
        block_on(Wait::named, &self().in->named[static_cast<std::size_t>(id)], 0, where);
    }
}

}  // namespace

bool may_end(Named& b, Block& block) {
    const auto come = static_cast<int>(b.come.size());
    if (come == 0 || come < (b.count == 0 ? block.live : b.count)) return false;
    check_whole_warps(b, block);
    machine().races.meet(b.come);
    let_go_on(b.come, Wait::named);
    b.come.clear();
    machine().scheduler.progressed();
    return true;
}

bool may_end(Warp& w) {
    if (w.arrived == 0 || w.arrived < w.live) return false;
    if (w.kind == sync_of_warp) machine().races.meet(w.come);
    for (Fiber*& f : w.come) {
        if (f != nullptr && f->wait == Wait::warp) machine().scheduler.add(*f);
        f = nullptr;
    }
    w.arrived = 0;
    w.parity ^= 1;
    return true;
}

bool may_end(Cluster& c) {
    if (c.arrived == 0 || c.arrived < c.live) return false;
    c.arrived = 0;
    ++c.phase;
    machine().races.cluster_ends(static_cast<int>(&c - machine().clusters.data()));
    let_go_on(c.waiting, Wait::cluster);
    c.waiting.clear();
    machine().scheduler.progressed();
    return true;
}

void sync_block() { meet_at(0, 0, __builtin_return_address(0)); }
void sync_named(int id, int count) { meet_at(id, count, __builtin_return_address(0)); }
void arrive_named(int id, int count) {
    (void)come_to(id, count, __builtin_return_address(0));
    yield_sometimes(__builtin_return_address(0));
}

const std::uint64_t* gather(unsigned mask, std::uint64_t value, int kind) {
    void* where = __builtin_return_address(0);
    Fiber& f = self();
    Warp& w = *f.warp;
    if (mask != full_mask)
        fatal(text("a mask that is not full: ", mask, " (", source_of(where), ")"));
    if (w.arrived != 0 && w.kind != kind) {
        fatal(text("lanes of warp ", w.number, " of block ", f.in->number,
                   " are in different operations of the warp (", source_of(where), ")"));
    }
    w.kind = kind;
    auto& slots = w.slots[static_cast<std::size_t>(w.parity)];
    slots[static_cast<std::size_t>(f.lane)] = value;
    w.come[static_cast<std::size_t>(f.lane)] = &f;
    ++w.arrived;
    if (may_end(w)) {
        yield_sometimes(where);
    } else {
        block_on(Wait::warp, &w, 0, where);
    }
    return slots.data();
}

int cluster_rank() { return self().in->rank; }

void arrive_at_cluster() {
    Fiber& f = self();
    if (f.at_cluster) fatal("arrives twice at the cluster's barrier");
    machine().late.finish_stores_of(f);
    f.at_cluster = true;
    f.cluster_phase = f.in->cluster->phase;
    machine().races.arrives_cluster(f.number);
    ++f.in->cluster->arrived;
    may_end(*f.in->cluster);
}
void wait_for_cluster() {
    Fiber& f = self();
    if (!f.at_cluster) fatal("waits at the cluster's barrier without having arrived");
    f.at_cluster = false;
    Cluster& c = *f.in->cluster;
    if (c.phase != f.cluster_phase) {
        yield_sometimes(__builtin_return_address(0));
    } else {
        c.waiting.push_back(&f);
        block_on(Wait::cluster, &c, 0, __builtin_return_address(0));
    }
    machine().races.waited_cluster(f.number);
}

}  // namespace emulator
