#include "hooks.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "emu.hpp"

namespace emu {
void preempt(void* where);
bool in_fiber();
int running();
std::string place_of(void* address);
}  // namespace emu

namespace emu::hooks {
namespace {

bool instrumented = false;
constexpr std::uint16_t nobody = 0xffff, under_way = 0xfffe;

struct Reader {
    std::uint16_t who;
    std::uint32_t clock;
    void* where;
};
struct Granule {  // of two bytes
    std::uint16_t writer = nobody;
    std::uint16_t reader = nobody;
    std::uint32_t write_clock = 0;
    std::uint32_t read_clock = 0;
    std::uint32_t more = 0;  // readers, + 1
    void* written = nullptr;
    void* read = nullptr;
};
// Collects what arrives; what is known at a phase's end is told to those that wait.
struct Meeting {
    int cluster = -1, index = -1;
    std::uint32_t phases = 0;
    Clocks now;
    std::shared_ptr<const Clocks> last, done, from, merged;
    void add(const Snapshot& s) {
        if (s.base != last) {
            for (std::size_t i = 0; i < now.size(); ++i) now[i] = std::max(now[i], (*s.base)[i]);
            last = s.base;
        }
        now[s.index] = std::max(now[s.index], s.own);
    }
    void end() {
        ++phases;
        if (index >= 0) now[index] = phases;
        done = std::make_shared<const Clocks>(now);
        from = nullptr;
    }
};

unsigned char* arena = nullptr;
std::size_t arena_bytes = 0, span = 0;
int threads = 0, in_cluster = 0, most_barriers = 0;
std::vector<Snapshot> clocks;
std::vector<std::vector<Granule>> granules;
std::vector<int> barriers_made;
std::vector<Meeting> barriers, clusters;
std::vector<std::vector<Reader>> lists;
std::set<std::pair<void*, void*>> told;
std::unordered_map<std::uintptr_t, Snapshot> words;
std::uint64_t countdown_state = 1;

bool looking() { return instrumented && settings.races; }

std::uint32_t known(const Snapshot& c, int index) { return index == c.index ? c.own : (*c.base)[index]; }

std::shared_ptr<const Clocks> larger(const Clocks& a, const Clocks& b) {
    auto out = std::make_shared<Clocks>(a);
    for (std::size_t i = 0; i < b.size(); ++i) (*out)[i] = std::max((*out)[i], b[i]);
    return out;
}

void learn(Snapshot& c, const Snapshot& s) {
    if (s.base == nullptr || s.cluster != c.cluster || known(c, s.index) >= s.own) return;
    auto out = std::make_shared<Clocks>(*c.base);
    if (s.base != c.base)
        for (std::size_t i = 0; i < out->size(); ++i) (*out)[i] = std::max((*out)[i], (*s.base)[i]);
    (*out)[s.index] = std::max((*out)[s.index], s.own);
    c.base = out;
}
void learn(Snapshot& c, Meeting& m) {
    if (m.done == nullptr || (m.index >= 0 && known(c, m.index) >= m.phases)) return;
    if (m.from != c.base) {
        m.from = c.base;
        m.merged = larger(*c.base, *m.done);
    }
    c.base = m.merged;
}

std::string name_of(int index, int cluster) {
    if (index >= in_cluster) return "a copy";
    return "block " + std::to_string(cluster * (in_cluster / threads) + index / threads) + " thread " +
           std::to_string(index % threads);
}

void race(const char* what, void* one, void* other, const unsigned char* place, int fiber, int with) {
    if (!told.insert({one, other}).second) return;
    const std::size_t block = static_cast<std::size_t>(place - arena) / span;
    error("race at byte %zu of block %zu: %s; %s at %s; before it %s at %s",
          static_cast<std::size_t>(place - arena) % span, block, what,
          name_of(clocks[fiber].index, clocks[fiber].cluster).c_str(), place_of(one).c_str(),
          name_of(with, clocks[fiber].cluster).c_str(), place_of(other).c_str());
}

Granule* granule_at(const unsigned char* place) {
    const auto offset = static_cast<std::size_t>(place - arena);
    return granules[offset / span].data() + offset % span / 2;
}

bool after_write(const Granule& g, const Snapshot& c) {
    return g.writer == nobody || (g.writer != under_way && known(c, g.writer) >= g.write_clock);
}

void forget_readers(Granule& g) {
    g.reader = nobody;
    if (g.more != 0) lists[g.more - 1].clear();
}

const char* kind_of_writer(const Granule& g, const char* plain, const char* copy) {
    return g.writer == under_way || g.writer >= in_cluster ? copy : plain;
}

void check_readers(const Granule& g, const Snapshot& c, const unsigned char* place, int fiber,
                   void* where, const char* what) {
    if (g.reader != nobody && known(c, g.reader) < g.read_clock)
        race(what, where, g.read, place, fiber, g.reader);
    if (g.more == 0) return;
    for (const Reader& r : lists[g.more - 1]) {
        if (known(c, r.who) < r.clock) race(what, where, r.where, place, fiber, r.who);
    }
}

void on_read(int fiber, const unsigned char* p, std::size_t bytes, void* where) {
    const Snapshot& c = clocks[fiber];
    const auto own = static_cast<std::uint16_t>(c.index);
    Granule* g = granule_at(p);
    const Granule* last = granule_at(p + bytes - 1);
    for (const unsigned char* at = p; g <= last; ++g, at += 2) {
        if (!after_write(*g, c))
            race(kind_of_writer(*g, "read after write", "read of a copy that was not waited for"), where,
                 g->written, at, fiber, g->writer);
        if (g->reader == nobody || g->reader == own) {
            g->reader = own;
            g->read_clock = c.own;
            g->read = where;
            continue;
        }
        if (g->more == 0) {
            lists.emplace_back();
            g->more = static_cast<std::uint32_t>(lists.size());
        }
        auto& list = lists[g->more - 1];
        const auto found =
            std::find_if(list.begin(), list.end(), [own](const Reader& r) { return r.who == own; });
        if (found != list.end()) {
            found->clock = c.own;
            found->where = where;
        } else {
            list.push_back({own, c.own, where});
        }
    }
}

void on_write(int fiber, const unsigned char* p, std::size_t bytes, void* where) {
    const Snapshot& c = clocks[fiber];
    Granule* g = granule_at(p);
    const Granule* last = granule_at(p + bytes - 1);
    for (const unsigned char* at = p; g <= last; ++g, at += 2) {
        if (!after_write(*g, c))
            race(kind_of_writer(*g, "write after write", "write after a copy that was not waited for"),
                 where, g->written, at, fiber, g->writer);
        check_readers(*g, c, at, fiber, where, "write after read");
        forget_readers(*g);
        g->writer = static_cast<std::uint16_t>(c.index);
        g->write_clock = c.own;
        g->written = where;
    }
}

inline bool in_arena(const void* p) {
    return static_cast<std::size_t>(static_cast<const unsigned char*>(p) - arena) < arena_bytes;
}

void access(void* p, std::size_t bytes, bool writes, void* where) {
    if (!in_arena(p)) return;
    if (settings.preempt != 0) {
        countdown_state ^= countdown_state << 13;
        countdown_state ^= countdown_state >> 7;
        countdown_state ^= countdown_state << 17;
        if (countdown_state % settings.preempt == 0) preempt(where);
    }
    if (!settings.races) return;
    const int fiber = running();
    const auto* place = static_cast<const unsigned char*>(p);
    if (static_cast<std::size_t>(place - arena) / span != static_cast<std::size_t>(fiber / threads)) {
        error("thread %d of block %d accesses block %zu's memory as its own at %s", fiber % threads,
              fiber / threads, static_cast<std::size_t>(place - arena) / span, place_of(where).c_str());
        return;
    }
    if (writes) {
        on_write(fiber, place, bytes, where);
    } else {
        on_read(fiber, place, bytes, where);
    }
}

}  // namespace

void begin(int fibers, int block_threads, int cluster, unsigned char* arena_, std::size_t bytes,
           std::size_t span_) {
    if (!instrumented) return;
    countdown_state = 88172645463325252ULL + settings.seed * 7919;
    arena = arena_;
    arena_bytes = bytes;
    span = span_;
    threads = block_threads;
    in_cluster = threads * cluster;
    if (!looking()) return;
    most_barriers = cluster == 1 ? 600 : 300 * cluster;
    const auto dims = static_cast<std::size_t>(in_cluster + most_barriers);
    const auto nothing = std::make_shared<const Clocks>(dims, 0);
    clocks.assign(static_cast<std::size_t>(fibers), {});
    for (int f = 0; f < fibers; ++f) clocks[f] = {nothing, f % in_cluster, f / in_cluster, 1};
    granules.assign(static_cast<std::size_t>(fibers / threads), std::vector<Granule>(span / 2));
    clusters.assign(static_cast<std::size_t>(fibers / in_cluster), {});
    for (Meeting& m : clusters) m.now.assign(dims, 0);
    barriers_made.assign(clusters.size(), 0);
    barriers.clear();
    lists.clear();
    words.clear();
}
void end() { arena_bytes = 0; }

bool Set::on() { return looking(); }
void Set::join() {
    if (!looking() || who_.empty()) return;
    Meeting m;
    m.now = *clocks[who_[0]].base;
    m.last = clocks[who_[0]].base;
    for (int f : who_) m.add(clocks[f]);
    const auto all = std::make_shared<const Clocks>(std::move(m.now));
    for (int f : who_) {
        clocks[f].base = all;
        ++clocks[f].own;
    }
    who_.clear();
}
Snapshot take(int fiber) {
    if (!looking()) return {};
    Snapshot s = clocks[fiber];
    ++clocks[fiber].own;
    return s;
}
void makes(unsigned barrier, int block) {
    if (!looking()) return;
    if (barriers.size() <= barrier) barriers.resize(barrier + 1);
    Meeting& m = barriers[barrier];
    m = {};
    m.cluster = block / (in_cluster / threads);
    m.index = in_cluster + barriers_made[m.cluster]++;
    m.now.assign(static_cast<std::size_t>(in_cluster + most_barriers), 0);
    if (barriers_made[m.cluster] > most_barriers) fatal("more than %d mbarriers in a cluster", most_barriers);
}
void arrives(int fiber, unsigned barrier) {
    if (looking()) barriers[barrier].add(take(fiber));
}
void phase_ends(unsigned barrier) {
    if (looking()) barriers[barrier].end();
}
void waited(int fiber, unsigned barrier) {
    if (looking()) learn(clocks[fiber], barriers[barrier]);
}
void arrives_cluster(int fiber) {
    if (looking()) clusters[clocks[fiber].cluster].add(take(fiber));
}
void cluster_ends(int block) {
    if (looking()) clusters[block / (in_cluster / threads)].end();
}
void waited_cluster(int fiber) {
    if (looking()) learn(clocks[fiber], clusters[clocks[fiber].cluster]);
}
void copy_begins(int fiber, unsigned char* to, std::size_t bytes, bool, void* where) {
    if (!looking()) return;
    Granule* g = granule_at(to);
    const Snapshot& c = clocks[fiber];
    for (std::size_t i = 0; i < bytes; i += 2, ++g) {
        if (!after_write(*g, c)) race("copy after write", where, g->written, to + i, fiber, g->writer);
        check_readers(*g, c, to + i, fiber, where, "copy after read");
        forget_readers(*g);
        g->writer = under_way;
        g->written = where;
    }
}
void copy_ends(int fiber, unsigned char* to, std::size_t bytes, int barrier, bool remote, bool carries,
               const Snapshot& knew) {
    if (!looking()) return;
    if (carries && barrier >= 0 && settings.relaxed_orders && knew.base != nullptr) barriers[barrier].add(knew);
    Granule* g = granule_at(to);
    for (std::size_t i = 0; i < bytes; i += 2, ++g) {
        if (g->writer != under_way) continue;
        if (barrier >= 0) {
            g->writer = static_cast<std::uint16_t>(barriers[barrier].index);
            g->write_clock = barriers[barrier].phases + 1;
        } else if (remote) {  // a store of the thread's
            g->writer = static_cast<std::uint16_t>(knew.index);
            g->write_clock = knew.own;
        } else {
            g->writer = static_cast<std::uint16_t>(clocks[fiber].index);
            g->write_clock = clocks[fiber].own;
        }
    }
}
void stored(const void* to, std::size_t bytes, const Snapshot& knew) {
    if (!looking() || !settings.relaxed_orders) return;
    for (std::size_t i = 0; i < bytes; i += 4) words[reinterpret_cast<std::uintptr_t>(to) + i] = knew;
}
void loads(int fiber, const void* from, std::size_t bytes) {
    if (!looking() || !settings.relaxed_orders) return;
    for (std::size_t i = 0; i < bytes; i += 4) {
        const auto found = words.find(reinterpret_cast<std::uintptr_t>(from) + i);
        if (found != words.end()) learn(clocks[fiber], found->second);
    }
}

}  // namespace emu::hooks

// What -fsanitize=thread calls.
#define EMU_ACCESS(n)                                                                              \
    void __tsan_read##n(void* p) { emu::hooks::access(p, n, false, __builtin_return_address(0)); } \
    void __tsan_write##n(void* p) { emu::hooks::access(p, n, true, __builtin_return_address(0)); } \
    void __tsan_unaligned_read##n(void* p) {                                                       \
        emu::hooks::access(p, n, false, __builtin_return_address(0));                              \
    }                                                                                              \
    void __tsan_unaligned_write##n(void* p) {                                                      \
        emu::hooks::access(p, n, true, __builtin_return_address(0));                               \
    }
extern "C" {
EMU_ACCESS(1)
EMU_ACCESS(2)
EMU_ACCESS(4)
EMU_ACCESS(8)
EMU_ACCESS(16)
void __tsan_read_range(void* p, std::size_t n) {
    if (n > 0) emu::hooks::access(p, n, false, __builtin_return_address(0));
}
void __tsan_write_range(void* p, std::size_t n) {
    if (n > 0) emu::hooks::access(p, n, true, __builtin_return_address(0));
}
void __tsan_init() { emu::hooks::instrumented = true; }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
}
