#include "emu.hpp"

#include <sys/mman.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "hooks.hpp"

extern "C" void emu_switch(void** save, void* load);
asm(R"(
.text
.globl emu_switch
.type emu_switch,@function
emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emu_switch,.-emu_switch
)");

namespace emu {

Thread* now = nullptr;
Index3 block_dim, grid_dim;
Settings settings;
Result total;

namespace {

constexpr std::size_t stack_bytes = 64 << 10;
constexpr std::uint64_t canary = 0x5ca1ab1e0ddba11ULL;
constexpr std::uint32_t magic = 0xb5a7714eU;
constexpr unsigned full_mask = 0xffffffffU;

enum class Wait { none, named, warp, mbarrier, cluster, copies, polls };
enum class Ready { no, yes, done };

struct Block;
struct Warp;
struct MBarrier;

struct Fiber : Thread {
    void* sp = nullptr;
    unsigned char* stack = nullptr;
    Block* in = nullptr;
    Warp* warp = nullptr;
    int lane = 0;
    int number = 0;  // of all
    Ready ready = Ready::no;
    Wait wait = Wait::none;
    void* object = nullptr;
    std::uint32_t value = 0;
    void* where = nullptr;
    bool at_cluster = false;  // has arrived and not yet waited
    unsigned cluster_phase = 0;
    // cp.async
    std::uint64_t issued = 0;                // copies
    std::vector<std::uint64_t> outstanding;  // sequence numbers
    std::vector<std::uint64_t> groups;       // the sequence number at each one's end
    struct Arrival {
        std::uint64_t before;
        MBarrier* barrier;
    };
    std::vector<Arrival> arrivals;
    int late_stores = 0;
};

struct Warp {
    int live = 0, arrived = 0, kind = 0, parity = 0, number = 0;
    std::uint64_t slots[2][32] = {};
    Fiber* waiting[32] = {};
};

struct Named {
    int count = -1;  // 0: the whole block
    int arrived = 0;
    std::vector<Fiber*> who;  // all that have come
    std::vector<Fiber*> waiting;
};

struct Cluster {
    int live = 0, arrived = 0;
    unsigned phase = 0;
    std::vector<Fiber*> waiting;
};

struct MBarrier {
    Block* block = nullptr;
    unsigned char* place = nullptr;
    int expected = 0, pending = 0, tx = 0;
    std::uint32_t phases = 0;
    std::uint32_t number = 0;
    std::vector<Fiber*> waiting;
    std::vector<std::uint32_t> lazy;  // copies that come only when somebody waits for them
};

struct Block {
    int number = 0, rank = 0;
    Cluster* cluster = nullptr;
    int live = 0;
    unsigned char* memory = nullptr;
    std::size_t bytes = 0, dynamic = 0;
    std::vector<std::uint32_t> pending;  // a word of four bytes: the operation that will write it, + 1
    Named named[16];
    std::vector<Warp> warps;
    std::map<std::pair<std::string, int>, void*> statics;
    std::size_t static_used = 0;
    std::vector<std::uint32_t> stores;  // late ones, by operation
};

enum class Kind { bulk, async, word, remote, store, arrival };
const char* const kind_names[] = {"bulk copy", "cp.async", "st.async", "store to another block", "relaxed store",
                                  "arrival of cp.async"};
struct Op {
    Kind kind{};
    bool active = false;
    Fiber* by = nullptr;
    Block* target = nullptr;  // of shared memory
    unsigned char* to = nullptr;
    const unsigned char* from = nullptr;
    std::uint32_t bytes = 0;
    bool early = false;  // `data` was read at once
    bool zeros = false;
    std::vector<unsigned char> data;
    MBarrier* barrier = nullptr;
    std::uint64_t sequence = 0;
    hooks::Snapshot knew;
    void* where = nullptr;
    std::uint32_t generation = 0;
};

struct Due {
    std::uint64_t turn;
    std::uint32_t op, generation;
    bool operator<(const Due& other) const { return turn > other.turn; }
};

// The launch that runs.
std::vector<Fiber> fibers;
std::vector<Block> blocks;
std::vector<Cluster> clusters;
std::vector<MBarrier*> barriers;
std::vector<Op> ops;
std::vector<std::uint32_t> free_ops;
std::vector<Due> due;
std::vector<Fiber*> runnable;  // random order
std::vector<Fiber*> ring;      // round robin
std::size_t ring_first = 0, ring_count = 0;
std::uint64_t turn = 0;
long long idle = 0;
int live = 0;
Result result;
unsigned char* stacks = nullptr;
std::size_t stack_count = 0;
unsigned char* arena = nullptr;
std::size_t arena_bytes = 0, block_span = 0;
void* main_sp = nullptr;
const std::function<void()>* kernel = nullptr;
char fatal_text[4096];
bool failed = false;
std::uint64_t random_state = 1;

std::uint64_t mix(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}
std::uint64_t random_number() { return mix(random_state += 0x9e3779b97f4a7c15ULL); }

Fiber* self() { return static_cast<Fiber*>(now); }

std::string name_of(const Fiber& f) {
    return "block " + std::to_string(f.block.x) + " thread " + std::to_string(f.thread.x);
}

// Where an address of the program is, as addr2line says it.
std::string source_of(void* address) {
    static std::map<void*, std::string> known;
    const auto found = known.find(address);
    if (found != known.end()) return found->second;
    char command[256], path[256] = {};
    if (readlink("/proc/self/exe", path, sizeof path - 1) <= 0) return "?";
    std::snprintf(command, sizeof command, "addr2line -e %s -i -s -f -C %p 2>/dev/null", path,
                  static_cast<void*>(static_cast<char*>(address) - 1));
    std::string text;
    if (FILE* pipe = popen(command, "r")) {
        char function[1024], line[1024];
        for (int depth = 0; depth < 6; ++depth) {
            if (!std::fgets(function, sizeof function, pipe) ||
                !std::fgets(line, sizeof line, pipe))
                break;
            std::string f = function, l = line;
            f = f.substr(0, f.find_first_of("(\n"));
            if (const auto colon = f.rfind("::"); colon != std::string::npos)
                f = f.substr(colon + 2);
            l = l.substr(0, l.find_first_of(" \n"));
            if (f.find("entry") == 0 || l.find("std_function") == 0) break;
            text += (text.empty() ? "" : " < ") + f + " " + l;
        }
        pclose(pipe);
    }
    return known[address] = text.empty() ? "?" : text;
}

Block* block_of(const void* place) {
    const auto* p = static_cast<const unsigned char*>(place);
    if (p < arena || p >= arena + arena_bytes) return nullptr;
    Block* b = &blocks[static_cast<std::size_t>(p - arena) / block_span];
    return p < b->memory + b->bytes ? b : nullptr;
}

std::string state_of(const MBarrier& b) {
    char text[256];
    std::snprintf(text, sizeof text,
                  "mbarrier at byte %ld of block %d (%d of %d arrivals pending, tx %d, %u phases over)",
                  static_cast<long>(b.place - b.block->memory), b.block->number, b.pending,
                  b.expected, b.tx, b.phases);
    return text;
}

std::string wait_of(const Fiber& f) {
    char text[128];
    switch (f.wait) {
        case Wait::named: {
            const auto& b = *static_cast<Named*>(f.object);
            std::snprintf(text, sizeof text, "barrier %d: %d of %d threads have come",
                          static_cast<int>(&b - f.in->named), b.arrived,
                          b.count == 0 ? f.in->live : b.count);
            return text;
        }
        case Wait::warp:
            std::snprintf(text, sizeof text, "its warp (%s): %d of %d lanes have come",
                          f.warp->kind == 0 ? "syncwarp" : "shuffle", f.warp->arrived, f.warp->live);
            return text;
        case Wait::mbarrier:
            return "parity " + std::to_string(f.value) + " of " +
                   state_of(*static_cast<MBarrier*>(f.object));
        case Wait::cluster:
            std::snprintf(text, sizeof text, "cluster barrier: %d of %d threads have come",
                          f.in->cluster->arrived, f.in->cluster->live);
            return text;
        case Wait::copies:
            std::snprintf(text, sizeof text, "its cp.async: %zu under way", f.outstanding.size());
            return text;
        default: return "polls or could run";
    }
}

void report_waits() {
    struct Group {
        int count = 0;
        std::set<unsigned> blocks;
        std::string example;
    };
    std::map<std::pair<void*, Wait>, Group> groups;
    std::size_t lines = 0;
    for (const Fiber& f : fibers) {
        if (f.ready == Ready::done) continue;
        Group& g = groups[{f.where, f.wait}];
        ++g.count;
        g.blocks.insert(f.block.x);
        if (g.example.empty()) g.example = name_of(f) + " waits for " + wait_of(f);
    }
    std::printf("  %d of %zu threads have not ended:\n", live, fibers.size());
    for (const auto& [key, g] : groups) {
        if (++lines > 24) break;
        std::printf("  * %d threads in %zu blocks (", g.count, g.blocks.size());
        std::size_t shown = 0;
        for (unsigned b : g.blocks) {
            if (++shown > 8) break;
            std::printf("%s%u", shown > 1 ? " " : "", b);
        }
        std::printf("%s), e.g. %s\n      at %s\n", g.blocks.size() > 8 ? " ..." : "",
                    g.example.c_str(), source_of(key.first).c_str());
    }
}

// On the main stack.
[[noreturn]] void end_run() {
    std::printf("FAIL engine: %s\n", fatal_text);
    std::printf("  turn %llu, %d errors before\n", static_cast<unsigned long long>(turn),
                total.errors + result.errors);
    report_waits();
    std::fflush(stdout);
    std::_Exit(2);
}

void make_runnable(Fiber* f) {
    f->ready = Ready::yes;
    f->wait = Wait::none;
    if (settings.mode == Mode::round_robin) {
        ring[(ring_first + ring_count++) % ring.size()] = f;
    } else {
        runnable.push_back(f);
    }
}

void switch_out() {
    Fiber* f = self();
    const auto* here = static_cast<unsigned char*>(__builtin_frame_address(0));
    if (here < f->stack + 2048) fatal("%s: stack overflow", name_of(*f).c_str());
    emu_switch(&f->sp, main_sp);
}

void block_on(Wait wait, void* object, std::uint32_t value, void* where) {
    Fiber* f = self();
    f->ready = Ready::no;
    f->wait = wait;
    f->object = object;
    f->value = value;
    f->where = where;
    switch_out();
}

void yield_at(void* where, Wait wait) {
    Fiber* f = self();
    make_runnable(f);
    f->wait = wait;
    f->where = where;
    switch_out();
    f->wait = Wait::none;
}

// The last one that came to a barrier is not always the first that goes on.
void yield_sometimes(void* where) {
    if (settings.mode != Mode::round_robin && random_number() % 2 == 0) yield_at(where, Wait::none);
}

void progressed() { idle = 0; }

// --- operations that end late -------------------------------------------------------------------

std::uint32_t new_op(Kind kind, void* where) {
    std::uint32_t id;
    if (free_ops.empty()) {
        id = static_cast<std::uint32_t>(ops.size());
        ops.emplace_back();
    } else {
        id = free_ops.back();
        free_ops.pop_back();
    }
    Op& op = ops[id];
    op.kind = kind;
    op.active = true;
    op.by = self();
    op.target = nullptr;
    op.to = nullptr;
    op.from = nullptr;
    op.bytes = 0;
    op.early = op.zeros = false;
    op.barrier = nullptr;
    op.where = where;
    op.knew = kind == Kind::word || kind == Kind::remote || kind == Kind::store ? hooks::take(op.by->number) : hooks::Snapshot{};
    ++op.generation;
    ++result.copies;
    return id;
}

int lazy_count = 0;

void schedule_now(std::uint32_t id) {
    const auto longest = static_cast<std::uint64_t>(
        std::max(64.0, settings.delay * static_cast<double>(fibers.size())));
    const std::uint64_t r = random_number();
    const std::uint64_t delay = 1 + ((r & 3) == 0 ? (r >> 8) % 64 : (r >> 8) % ((r & 0x7c) == 0 ? 8 * longest : longest));
    due.push_back({turn + delay, id, ops[id].generation});
    std::push_heap(due.begin(), due.end());
}

// Every other copy comes only when somebody waits at its barrier: whoever forgets to wait never sees it.
void schedule(std::uint32_t id) {
    MBarrier* b = ops[id].barrier;
    if (b == nullptr || !b->waiting.empty() || ops[id].kind == Kind::arrival || random_number() % 2 == 0)
        return schedule_now(id);
    b->lazy.push_back(id);
    ++lazy_count;
}
void hurry(MBarrier& b) {
    for (std::uint32_t id : b.lazy) schedule_now(id), --lazy_count;
    b.lazy.clear();
}
void hurry_all() {
    for (MBarrier* b : barriers) hurry(*b);
}

// Until the operation ends its target holds NaN, and nobody may write there.
void mark_target(std::uint32_t id) {
    Op& op = ops[id];
    const auto first = static_cast<std::size_t>(op.to - op.target->memory) / 4;
    const std::size_t count = (op.bytes + 3) / 4;
    for (std::size_t i = first; i < first + count; ++i) {
        std::uint32_t& word = op.target->pending[i];
        if (word != 0 && ops[word - 1].active) {
            const Op& other = ops[word - 1];
            error("two operations to byte %zu of block %d are under way: %s of %s (%s) and %s of %s (%s)",
                  i * 4, op.target->number, kind_names[static_cast<int>(other.kind)],
                  name_of(*other.by).c_str(), source_of(other.where).c_str(),
                  kind_names[static_cast<int>(op.kind)], name_of(*op.by).c_str(),
                  source_of(op.where).c_str());
            break;
        }
    }
    for (std::size_t i = first; i < first + count; ++i) op.target->pending[i] = id + 1;
    std::memset(op.to, 0xff, op.bytes);
    hooks::copy_begins(op.by->number, op.to, op.bytes, op.kind == Kind::remote, op.where);
}

void check_target(std::uint32_t id) {
    const Op& op = ops[id];
    if (op.target->live == 0) {
        error("%s of %s (%s) came to byte %ld of block %d, which has ended",
              kind_names[static_cast<int>(op.kind)], name_of(*op.by).c_str(),
              source_of(op.where).c_str(), static_cast<long>(op.to - op.target->memory),
              op.target->number);
    }
    for (std::uint32_t i = 0; i < op.bytes; ++i) {
        if (op.to[i] == 0xff) continue;
        error("byte %ld of block %d was written while a %s of %s (%s) to it was under way",
              static_cast<long>(op.to + i - op.target->memory), op.target->number,
              kind_names[static_cast<int>(op.kind)], name_of(*op.by).c_str(),
              source_of(op.where).c_str());
        break;
    }
    const auto first = static_cast<std::size_t>(op.to - op.target->memory) / 4;
    for (std::size_t i = first; i < first + (op.bytes + 3) / 4; ++i) {
        if (op.target->pending[i] == id + 1) op.target->pending[i] = 0;
    }
}

void phase_may_end(MBarrier& b) {
    if (b.pending != 0 || b.tx != 0) return;
    b.pending = b.expected;
    ++b.phases;
    hooks::phase_ends(b.number);
    progressed();
    for (Fiber* f : b.waiting) make_runnable(f);
    b.waiting.clear();
}

void arrive_once(MBarrier& b, const char* who) {
    if (b.pending == 0) fatal("%s: more arrivals than expected at %s", who, state_of(b).c_str());
    --b.pending;
}
void add_tx(MBarrier& b, int bytes) {
    b.tx += bytes;
    if (b.tx >= 1 << 20 || b.tx <= -(1 << 20)) fatal("tx-count out of range: %s", state_of(b).c_str());
}

void fire_arrival(Fiber& f, MBarrier* b) {
    hooks::arrives(f.number, b->number);
    arrive_once(*b, "cp.async.mbarrier.arrive");
    phase_may_end(*b);
}

bool groups_have_come(const Fiber& f) {
    if (f.value == full_mask) return f.outstanding.empty();
    if (f.groups.size() <= f.value) return true;
    const std::uint64_t end = f.groups[f.groups.size() - 1 - f.value];
    return std::all_of(f.outstanding.begin(), f.outstanding.end(),
                       [end](std::uint64_t s) { return s >= end; });
}

void copied(Fiber& f, std::uint64_t sequence) {
    f.outstanding.erase(std::find(f.outstanding.begin(), f.outstanding.end(), sequence));
    for (std::size_t i = 0; i < f.arrivals.size();) {
        const auto before = f.arrivals[i].before;
        const bool all = std::all_of(f.outstanding.begin(), f.outstanding.end(),
                                     [before](std::uint64_t s) { return s >= before; });
        if (!all) {
            ++i;
            continue;
        }
        MBarrier* b = f.arrivals[i].barrier;
        f.arrivals.erase(f.arrivals.begin() + static_cast<std::ptrdiff_t>(i));
        fire_arrival(f, b);
    }
    if (f.wait == Wait::copies && f.ready == Ready::no && groups_have_come(f)) make_runnable(&f);
}

void finish(std::uint32_t id) {
    Op& op = ops[id];
    progressed();
    if (op.target != nullptr) {
        check_target(id);
        hooks::copy_ends(op.by->number, op.to, op.bytes,
                         op.barrier != nullptr ? static_cast<int>(op.barrier->number) : -1,
                         op.kind == Kind::remote, op.kind == Kind::word, op.knew);
    }
    if (op.kind == Kind::store) hooks::stored(op.to, op.bytes, op.knew);
    if (op.zeros) {
        std::memset(op.to, 0, op.bytes);
    } else if (op.to != nullptr) {
        std::memcpy(op.to, op.early ? op.data.data() : op.from, op.bytes);
    }
    op.active = false;
    free_ops.push_back(id);
    switch (op.kind) {
        case Kind::bulk:
        case Kind::word:
            add_tx(*op.barrier, -static_cast<int>(op.bytes));
            phase_may_end(*op.barrier);
            break;
        case Kind::async: copied(*op.by, op.sequence); break;
        case Kind::arrival: fire_arrival(*op.by, op.barrier); break;
        case Kind::store:
        case Kind::remote:
            --op.by->late_stores;
            std::erase(op.by->in->stores, id);
            break;
    }
}

void finish_due() {
    while (!due.empty() && due.front().turn <= turn) {
        const Due d = due.front();
        std::pop_heap(due.begin(), due.end());
        due.pop_back();
        if (ops[d.op].active && ops[d.op].generation == d.generation) finish(d.op);
    }
}

// The late stores of a block for which `chosen` holds, in their order.
template <typename Chosen>
void finish_stores(Block& block, const Chosen& chosen) {
    for (std::size_t i = 0; i < block.stores.size();) {
        const std::uint32_t id = block.stores[i];
        if (chosen(ops[id])) {
            finish(id);
        } else {
            ++i;
        }
    }
}
void finish_own_stores() {
    Fiber* f = self();
    if (f->late_stores > 0) finish_stores(*f->in, [f](const Op& op) { return op.by == f; });
}
void finish_overlapping(const void* place, std::size_t bytes) {
    Fiber* f = self();
    if (f->in->stores.empty()) return;
    const auto* p = static_cast<const unsigned char*>(place);
    finish_stores(*f->in, [p, bytes](const Op& op) {
        return op.kind == Kind::store && op.to < p + bytes && p < op.to + op.bytes;
    });
}

// --- barriers -----------------------------------------------------------------------------------

void check_whole_warps(const Named& b, Block& block) {
    std::vector<int> counts(block.warps.size());
    for (const Fiber* f : b.who) ++counts[static_cast<std::size_t>(f->warp->number)];
    for (std::size_t w = 0; w < counts.size(); ++w) {
        if (counts[w] != 0 && counts[w] != block.warps[w].live) {
            error("barrier %d of block %d: only %d of %d lanes of warp %zu came",
                  static_cast<int>(&b - block.named), block.number, counts[w], block.warps[w].live,
                  w);
        }
    }
}

bool named_may_end(Named& b, Block& block) {
    if (b.arrived == 0 || b.arrived < (b.count == 0 ? block.live : b.count)) return false;
    check_whole_warps(b, block);
    hooks::Set set;
    for (Fiber* f : b.who) set.add(f->number);
    set.join();
    for (Fiber* f : b.waiting) make_runnable(f);
    b.arrived = 0;
    b.who.clear();
    b.waiting.clear();
    progressed();
    return true;
}

void come_to(int id, int count, bool waits, void* where) {
    Fiber* f = self();
    if (id < 0 || id > 15 || count % 32 != 0) fatal("barrier %d of %d threads", id, count);
    Named& b = f->in->named[id];
    if (b.arrived == 0) {
        b.count = count;
    } else if (b.count != count) {
        fatal("barrier %d of block %u: %d and %d threads at once (%s)", id, f->block.x, b.count,
              count, source_of(where).c_str());
    }
    ++b.arrived;
    b.who.push_back(f);
    if (named_may_end(b, *f->in)) {
        if (waits) yield_sometimes(where);
        return;
    }
    if (!waits) return;
    b.waiting.push_back(f);
    block_on(Wait::named, &b, 0, where);
}

bool warp_may_go_on(Warp& w) {
    if (w.arrived == 0 || w.arrived < w.live) return false;
    hooks::Set set;
    for (Fiber*& f : w.waiting) {
        if (f == nullptr) continue;
        if (w.kind == 0) set.add(f->number);
        if (f->wait == Wait::warp) make_runnable(f);
        f = nullptr;
    }
    set.join();
    w.arrived = 0;
    w.parity ^= 1;
    return true;
}

bool cluster_may_go_on(Cluster& c) {
    if (c.arrived == 0 || c.arrived < c.live) return false;
    c.arrived = 0;
    ++c.phase;
    hooks::cluster_ends(static_cast<int>(&c - clusters.data()) * static_cast<int>(blocks.size() / clusters.size()));
    for (Fiber* f : c.waiting) make_runnable(f);
    c.waiting.clear();
    progressed();
    return true;
}

MBarrier& barrier_at(const void* place, const char* what) {
    std::uint32_t words[2];
    Block* block = block_of(place);
    if (block == nullptr || reinterpret_cast<std::uintptr_t>(place) % 8 != 0)
        fatal("%s: no mbarrier can be at %p", what, place);
    std::memcpy(words, place, 8);
    if (words[1] != magic || words[0] >= barriers.size() || barriers[words[0]]->place != place) {
        fatal("%s: no mbarrier (not yet made, or overwritten) at byte %ld of block %d", what,
              static_cast<long>(static_cast<const unsigned char*>(place) - block->memory),
              block->number);
    }
    return *barriers[words[0]];
}

// --- fibers -------------------------------------------------------------------------------------

void leave() {
    Fiber* f = self();
    if (f->outstanding.size() > 0) error("%s ends with cp.async under way", name_of(*f).c_str());
    finish_own_stores();
    std::uint64_t bottom;
    std::memcpy(&bottom, f->stack, 8);
    if (bottom != canary) fatal("%s: stack overflow", name_of(*f).c_str());
    f->ready = Ready::done;
    f->wait = Wait::none;
    --live;
    --f->in->live;
    --f->warp->live;
    --f->in->cluster->live;
    progressed();
    for (Named& b : f->in->named) {
        if (b.count == 0) named_may_end(b, *f->in);
    }
    warp_may_go_on(*f->warp);
    cluster_may_go_on(*f->in->cluster);
}

[[noreturn]] void entry() {
    (*kernel)();
    leave();
    emu_switch(&self()->sp, main_sp);
    std::abort();
}

void prepare(Fiber& f) {
    std::memcpy(f.stack, &canary, 8);
    auto* top = reinterpret_cast<void**>(f.stack + stack_bytes - 64);
    *--top = nullptr;  // a return address that entry() never uses
    *--top = reinterpret_cast<void*>(&entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    f.sp = top;
}

Fiber* take_random() {
    std::size_t at = 0;
    for (int tries = 0; tries < 12; ++tries) {
        at = random_number() % runnable.size();
        if (settings.mode != Mode::skew) break;
        // Some blocks and some warps sleep for a while.
        const Fiber& f = *runnable[at];
        const std::uint64_t epoch = turn / (4 * fibers.size() + 1);
        const std::uint64_t h = mix(settings.seed * 77 + epoch / 3 * 1000003 + f.block.x);
        const std::uint64_t g =
            mix(settings.seed * 99 + epoch * 10007 + f.block.x * 64ULL + f.thread.x / 32);
        if (h % 3 != 0 && g % 3 != 0) break;
    }
    Fiber* f = runnable[at];
    runnable[at] = runnable.back();
    runnable.pop_back();
    return f;
}

Fiber* take_next() {
    if (settings.mode != Mode::round_robin) return runnable.empty() ? nullptr : take_random();
    if (ring_count == 0) return nullptr;
    Fiber* f = ring[ring_first];
    ring_first = (ring_first + 1) % ring.size();
    --ring_count;
    return f;
}

void schedule_all() {
    while (live > 0) {
        ++turn;
        finish_due();
        Fiber* f = take_next();
        if (f == nullptr) {
            if (due.empty() && lazy_count > 0) {
                hurry_all();
                continue;
            }
            if (due.empty()) {
                std::snprintf(fatal_text, sizeof fatal_text, "deadlock");
                end_run();
            }
            turn = due.front().turn - 1;
            continue;
        }
        if (lazy_count > 0 && idle > static_cast<long long>(20 * fibers.size())) hurry_all();
        if (++idle > settings.patience) {
            std::snprintf(fatal_text, sizeof fatal_text, "%lld turns of polling and no store",
                          idle);
            end_run();
        }
        now = f;
        emu_switch(&main_sp, f->sp);
        if (failed) end_run();
    }
    hurry_all();
    for (const Due& d : due) {
        const Op& op = ops[d.op];
        if (op.active && op.generation == d.generation && op.target != nullptr) {
            error("the launch ends while a %s of %s (%s) is under way",
                  kind_names[static_cast<int>(op.kind)], name_of(*op.by).c_str(),
                  source_of(op.where).c_str());
        }
    }
    due.clear();
}

void* mapped(std::size_t bytes) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) std::abort();
    return p;
}

void set_up(unsigned block_count, unsigned threads, unsigned cluster, std::size_t shared_bytes) {
    const std::size_t count = std::size_t{block_count} * threads;
    if (stack_count < count) {
        if (stacks != nullptr) munmap(stacks, stack_count * stack_bytes);
        stacks = static_cast<unsigned char*>(mapped(count * stack_bytes));
        stack_count = count;
    }
    constexpr std::size_t statics = 16 << 10;
    const std::size_t span = (shared_bytes + statics + 8191) / 4096 * 4096;
    if (arena != nullptr) munmap(arena, arena_bytes);
    block_span = span;
    arena_bytes = span * block_count;
    arena = static_cast<unsigned char*>(mapped(arena_bytes));
    std::memset(arena, 0xff, arena_bytes);
    fibers.assign(count, {});
    blocks.assign(block_count, {});
    clusters.assign(block_count / cluster, {});
    for (MBarrier* b : barriers) delete b;
    barriers.clear();
    ops.clear();
    ops.reserve(1 << 16);
    free_ops.clear();
    due.clear();
    lazy_count = 0;
    runnable.clear();
    ring.assign(count + 1, nullptr);
    ring_first = ring_count = 0;
    idle = 0;
    live = static_cast<int>(count);
    result = {};
    for (unsigned b = 0; b < block_count; ++b) {
        Block& block = blocks[b];
        block.number = static_cast<int>(b);
        block.rank = static_cast<int>(b % cluster);
        block.cluster = &clusters[b / cluster];
        block.cluster->live += static_cast<int>(threads);
        block.live = static_cast<int>(threads);
        block.memory = arena + b * span;
        block.dynamic = (shared_bytes + 127) / 128 * 128;
        block.bytes = block.dynamic + statics;
        block.pending.assign(block.bytes / 4, 0);
        block.warps.assign((threads + 31) / 32, {});
        for (unsigned t = 0; t < threads; ++t) {
            Fiber& f = fibers[std::size_t{b} * threads + t];
            f.block = {b, 0, 0};
            f.thread = {t, 0, 0};
            f.in = &block;
            f.warp = &block.warps[t / 32];
            f.warp->number = static_cast<int>(t / 32);
            ++f.warp->live;
            f.lane = static_cast<int>(t % 32);
            f.number = static_cast<int>(b * threads + t);
            f.stack = stacks + (std::size_t{b} * threads + t) * stack_bytes;
            prepare(f);
            make_runnable(&f);
        }
    }
}

}  // namespace

Result launch(unsigned block_count, unsigned threads, unsigned cluster, std::size_t shared_bytes,
              const std::function<void()>& body) {
    static std::uint64_t launches = 0;
    random_state = mix(settings.seed * 1000 + launches++);
    if (cluster == 0) cluster = 1;
    if (block_count % cluster != 0) {
        std::printf("FAIL engine: %u blocks in clusters of %u\n", block_count, cluster);
        std::_Exit(2);
    }
    turn = 0;
    block_dim = {threads, 1, 1};
    grid_dim = {block_count, 1, 1};
    kernel = &body;
    set_up(block_count, threads, cluster, shared_bytes);
    hooks::begin(static_cast<int>(fibers.size()), static_cast<int>(threads), static_cast<int>(cluster), arena, arena_bytes,
                 block_span);
    schedule_all();
    hooks::end();
    result.turns = static_cast<long long>(turn);
    total.turns += result.turns;
    total.copies += result.copies;
    total.errors += result.errors;
    return result;
}

namespace {
void on_signal(int number, siginfo_t* info, void* context) {
    const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    std::printf("FAIL engine: %s, %s at %s\n",
                number == SIGALRM ? "out of time (a loop without a yield?)" : "bad access",
                now != nullptr ? name_of(*self()).c_str() : "host",
                source_of(reinterpret_cast<void*>(registers[REG_RIP] + 1)).c_str());
    if (number != SIGALRM) {
        const auto* p = static_cast<const unsigned char*>(info->si_addr);
        if (p >= stacks && p < stacks + stack_count * stack_bytes) std::printf("  (in a stack)\n");
        else std::printf("  address %p\n", info->si_addr);
    }
    report_waits();
    std::fflush(stdout);
    std::_Exit(2);
}
}  // namespace

void watch(unsigned seconds) {
    static unsigned char alternate[1 << 17];
    stack_t stack{};
    stack.ss_sp = alternate;
    stack.ss_size = sizeof alternate;
    sigaltstack(&stack, nullptr);
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int number : {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigaction(number, &action, nullptr);
    alarm(seconds);
}

void fatal(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int n = std::vsnprintf(fatal_text, sizeof fatal_text, format, arguments);
    va_end(arguments);
    if (now != nullptr && n > 0 && static_cast<std::size_t>(n) < sizeof fatal_text)
        std::snprintf(fatal_text + n, sizeof fatal_text - static_cast<std::size_t>(n), " [%s]",
                      name_of(*self()).c_str());
    failed = true;
    const auto* here = static_cast<unsigned char*>(__builtin_frame_address(0));
    const bool in_fiber = here >= stacks && here < stacks + stack_count * stack_bytes;
    if (!in_fiber) end_run();
    self()->where = __builtin_return_address(0);
    emu_switch(&self()->sp, main_sp);
    std::abort();
}

void error(const char* format, ...) {
    if (++result.errors + total.errors > 12) return;
    va_list arguments;
    va_start(arguments, format);
    std::printf("  error (turn %llu): ", static_cast<unsigned long long>(turn));
    std::vprintf(format, arguments);
    std::printf("\n");
    std::fflush(stdout);
    va_end(arguments);
}

unsigned char* shared_memory() { return self()->in->memory; }

void* static_shared(std::size_t bytes, const char* file, int line) {
    Block& b = *self()->in;
    void*& place = b.statics[{file, line}];
    if (place == nullptr) {
        place = b.memory + b.dynamic + b.static_used;
        b.static_used += (bytes + 15) / 16 * 16;
        if (b.dynamic + b.static_used > b.bytes) fatal("too much static shared memory");
    }
    return place;
}

std::uint32_t shared_address(const void* place) {
    Block* block = block_of(place);
    if (block == nullptr || block != self()->in)
        fatal("shared_address() of what is not in the block's shared memory (%s)",
              source_of(__builtin_return_address(0)).c_str());
    return static_cast<std::uint32_t>(block->rank + 1) << 24 |
           static_cast<std::uint32_t>(static_cast<const unsigned char*>(place) - block->memory);
}

unsigned char* resolve(std::uint32_t address) {
    const Block& own = *self()->in;
    const int rank = static_cast<int>(address >> 24) - 1;
    const std::uint32_t offset = address & 0xffffffU;
    if (rank < 0 || rank >= cluster_size() || offset >= own.bytes)
        fatal("no address of shared memory: %#x (%s)", address,
              source_of(__builtin_return_address(0)).c_str());
    return blocks[static_cast<std::size_t>(own.number - own.rank + rank)].memory + offset;
}

void sync_block() { come_to(0, 0, true, __builtin_return_address(0)); }
void sync_named(int id, int count) { come_to(id, count, true, __builtin_return_address(0)); }
void arrive_named(int id, int count) { come_to(id, count, false, __builtin_return_address(0)); }

const std::uint64_t* gather(unsigned mask, std::uint64_t value, int kind) {
    Fiber* f = self();
    Warp& w = *f->warp;
    if (mask != full_mask)
        fatal("a mask that is not full: %#x (%s)", mask,
              source_of(__builtin_return_address(0)).c_str());
    if (w.arrived == 0) {
        w.kind = kind;
    } else if (w.kind != kind) {
        fatal("lanes of warp %d of block %u are in different operations of the warp (%s)", w.number,
              f->block.x, source_of(__builtin_return_address(0)).c_str());
    }
    const int parity = w.parity;
    w.slots[parity][f->lane] = value;
    w.waiting[f->lane] = f;
    ++w.arrived;
    if (warp_may_go_on(w)) {
        yield_sometimes(__builtin_return_address(0));
    } else {
        block_on(Wait::warp, &w, 0, __builtin_return_address(0));
    }
    return w.slots[parity];
}

void yield() { yield_at(__builtin_return_address(0), Wait::polls); }
std::uint32_t clock_now() {
    yield_at(__builtin_return_address(0), Wait::polls);
    return static_cast<std::uint32_t>(turn);
}
void progress() { progressed(); }

void init_barrier(void* place, unsigned arrivals) {
    Block* block = block_of(place);
    if (block == nullptr || block != self()->in) fatal("init_barrier outside the block's memory");
    if (arrivals == 0 || arrivals >= 1U << 20) fatal("init_barrier with %u arrivals", arrivals);
    std::uint32_t words[2];
    std::memcpy(words, place, 8);
    if (words[1] == magic && words[0] < barriers.size() && barriers[words[0]]->place == place)
        fatal("init_barrier of a barrier that is one already");
    auto* b = new MBarrier;
    b->block = block;
    b->place = static_cast<unsigned char*>(place);
    b->expected = b->pending = static_cast<int>(arrivals);
    b->number = static_cast<std::uint32_t>(barriers.size());
    barriers.push_back(b);
    hooks::makes(b->number, block->number);
    words[0] = b->number;
    words[1] = magic;
    std::memcpy(place, words, 8);
}

void arrive(void* place) {
    MBarrier& b = barrier_at(place, "arrive");
    if (b.block != self()->in) fatal("arrive at another block's barrier by a local address");
    hooks::arrives(self()->number, b.number);
    arrive_once(b, "arrive");
    phase_may_end(b);
}

void expect(void* place, std::uint32_t bytes, bool arrives) {
    MBarrier& b = barrier_at(place, "expect_tx");
    if (b.block != self()->in) fatal("expect_tx at another block's barrier");
    hooks::arrives(self()->number, b.number);
    add_tx(b, static_cast<int>(bytes));
    if (arrives) arrive_once(b, "arrive.expect_tx");
    phase_may_end(b);
}

bool test(void* place, std::uint32_t parity) {
    MBarrier& b = barrier_at(place, "wait");
    return (b.phases & 1U) != parity;
}

void wait(void* place, std::uint32_t parity) {
    MBarrier& b = barrier_at(place, "wait");
    if (parity > 1) fatal("wait for parity %u", parity);
    if (b.block != self()->in) fatal("wait at another block's barrier");
    bool waited = false;
    while ((b.phases & 1U) == parity) {
        if (waited)
            error("%s was run past at %s (%s)", name_of(*self()).c_str(), state_of(b).c_str(),
                  source_of(__builtin_return_address(0)).c_str());
        b.waiting.push_back(self());
        hurry(b);
        block_on(Wait::mbarrier, &b, parity, __builtin_return_address(0));
        waited = true;
    }
    if (!waited) yield_sometimes(__builtin_return_address(0));
    hooks::waited(self()->number, b.number);
}

void copy_bulk(void* to, const void* from, std::uint32_t bytes, void* barrier) {
    void* where = __builtin_return_address(0);
    Block* target = block_of(to);
    auto* place = static_cast<unsigned char*>(to);
    if (target == nullptr || target != self()->in || place + bytes > target->memory + target->bytes)
        fatal("copy_bulk to what is not in the block's shared memory (%s)", source_of(where).c_str());
    if (bytes % 16 != 0 || bytes == 0 || reinterpret_cast<std::uintptr_t>(to) % 16 != 0 ||
        reinterpret_cast<std::uintptr_t>(from) % 16 != 0)
        fatal("copy_bulk: %u bytes from %p to byte %ld are not on borders of 16 (%s)", bytes, from,
              static_cast<long>(place - target->memory), source_of(where).c_str());
    MBarrier& b = barrier_at(barrier, "copy_bulk");
    const std::uint32_t id = new_op(Kind::bulk, where);
    Op& op = ops[id];
    op.target = target;
    op.to = place;
    op.from = static_cast<const unsigned char*>(from);
    op.bytes = bytes;
    op.barrier = &b;
    op.early = random_number() % 2 == 0;
    if (op.early) op.data.assign(op.from, op.from + bytes);
    mark_target(id);
    schedule(id);
}

void copy_async(void* to, const void* from, std::uint32_t bytes, bool present) {
    void* where = __builtin_return_address(0);
    Block* target = block_of(to);
    auto* place = static_cast<unsigned char*>(to);
    if (target == nullptr || target != self()->in || place + bytes > target->memory + target->bytes)
        fatal("cp.async to what is not in the block's shared memory (%s)", source_of(where).c_str());
    if ((bytes != 4 && bytes != 8 && bytes != 16) || reinterpret_cast<std::uintptr_t>(to) % bytes != 0 ||
        reinterpret_cast<std::uintptr_t>(from) % bytes != 0)
        fatal("cp.async: %u bytes from %p to byte %ld are not on their borders (%s)", bytes, from,
              static_cast<long>(place - target->memory), source_of(where).c_str());
    const std::uint32_t id = new_op(Kind::async, where);
    Op& op = ops[id];
    op.target = target;
    op.to = place;
    op.from = static_cast<const unsigned char*>(from);
    op.bytes = bytes;
    op.zeros = !present;
    op.early = present && random_number() % 2 == 0;
    if (op.early) op.data.assign(op.from, op.from + bytes);
    op.sequence = self()->issued++;
    self()->outstanding.push_back(op.sequence);
    mark_target(id);
    schedule(id);
}

void commit_group() { self()->groups.push_back(self()->issued); }

void wait_groups(int left) {
    Fiber* f = self();
    f->value = static_cast<std::uint32_t>(left);
    if (groups_have_come(*f)) {
        yield_sometimes(__builtin_return_address(0));
    } else {
        block_on(Wait::copies, nullptr, static_cast<std::uint32_t>(left),
                 __builtin_return_address(0));
    }
}

void arrive_when_copied(void* place) {
    Fiber* f = self();
    MBarrier& b = barrier_at(place, "cp.async.mbarrier.arrive");
    if (!f->outstanding.empty()) {
        f->arrivals.push_back({f->issued, &b});
        return;
    }
    const std::uint32_t id = new_op(Kind::arrival, __builtin_return_address(0));
    ops[id].barrier = &b;
    schedule(id);
}

int cluster_rank() { return self()->in->rank; }
int cluster_size() { return static_cast<int>(blocks.size() / clusters.size()); }

void arrive_at_cluster() {
    Fiber* f = self();
    if (f->at_cluster) fatal("arrives twice at the cluster's barrier");
    finish_own_stores();
    f->at_cluster = true;
    f->cluster_phase = f->in->cluster->phase;
    hooks::arrives_cluster(f->number);
    ++f->in->cluster->arrived;
    cluster_may_go_on(*f->in->cluster);
}
void wait_for_cluster() {
    Fiber* f = self();
    if (!f->at_cluster) fatal("waits at the cluster's barrier without having arrived");
    f->at_cluster = false;
    Cluster& c = *f->in->cluster;
    if (c.phase != f->cluster_phase) {
        yield_sometimes(__builtin_return_address(0));
    } else {
        c.waiting.push_back(f);
        block_on(Wait::cluster, &c, 0, __builtin_return_address(0));
    }
    hooks::waited_cluster(f->number);
}

std::uint32_t map_address(std::uint32_t local, int rank) {
    if (rank < 0 || rank >= cluster_size()) fatal("no block %d in the cluster", rank);
    return (local & 0xffffffU) | static_cast<std::uint32_t>(rank + 1) << 24;
}

void store_remote(std::uint32_t address, const void* data, int bytes) {
    void* where = __builtin_return_address(0);
    const std::uint32_t id = new_op(Kind::remote, where);
    unsigned char* to = resolve(address);
    Op& op = ops[id];
    op.to = to;
    op.target = block_of(to);
    op.bytes = static_cast<std::uint32_t>(bytes);
    op.early = true;
    op.data.assign(static_cast<const unsigned char*>(data), static_cast<const unsigned char*>(data) + bytes);
    if (op.target->live == 0) error("%s stores into block %d, which has ended", name_of(*self()).c_str(), op.target->number);
    ++self()->late_stores;
    self()->in->stores.push_back(id);
    mark_target(id);
    schedule(id);
}

void send(std::uint32_t address, const void* data, int bytes, std::uint32_t barrier) {
    void* where = __builtin_return_address(0);
    if (address >> 24 != barrier >> 24)
        fatal("st.async to one block with the barrier of another (%s)", source_of(where).c_str());
    if (address % static_cast<unsigned>(bytes) != 0) fatal("st.async to an odd address");
    const std::uint32_t id = new_op(Kind::word, where);
    unsigned char* to = resolve(address);
    MBarrier& b = barrier_at(resolve(barrier), "st.async");
    Op& op = ops[id];
    op.to = to;
    op.target = block_of(to);
    op.bytes = static_cast<std::uint32_t>(bytes);
    op.early = true;
    op.data.assign(static_cast<const unsigned char*>(data), static_cast<const unsigned char*>(data) + bytes);
    op.barrier = &b;
    if (op.target->live == 0) error("%s sends to block %d, which has ended", name_of(*self()).c_str(), op.target->number);
    mark_target(id);
    schedule(id);
}

void store_late(void* to, const void* data, int bytes) {
    Fiber* f = self();
    if (reinterpret_cast<std::uintptr_t>(to) % static_cast<unsigned>(bytes) != 0)
        fatal("store_relaxed to an odd address (%s)", source_of(__builtin_return_address(0)).c_str());
    progressed();
    if (!settings.late_stores) {
        std::memcpy(to, data, static_cast<std::size_t>(bytes));
        hooks::stored(to, static_cast<std::size_t>(bytes), hooks::take(f->number));
        return;
    }
    finish_overlapping(to, static_cast<std::size_t>(bytes));
    const std::uint32_t id = new_op(Kind::store, __builtin_return_address(0));
    Op& op = ops[id];
    op.to = static_cast<unsigned char*>(to);
    op.bytes = static_cast<std::uint32_t>(bytes);
    op.early = true;
    op.data.assign(static_cast<const unsigned char*>(data), static_cast<const unsigned char*>(data) + bytes);
    ++f->late_stores;
    f->in->stores.push_back(id);
    schedule(id);
}

void load_polled(void* out, const void* from, int bytes) {
    if (reinterpret_cast<std::uintptr_t>(from) % static_cast<unsigned>(bytes) != 0)
        fatal("load_relaxed from an odd address (%s)", source_of(__builtin_return_address(0)).c_str());
    yield_at(__builtin_return_address(0), Wait::polls);
    finish_overlapping(from, static_cast<std::size_t>(bytes));
    hooks::loads(self()->number, from, static_cast<std::size_t>(bytes));
    std::memcpy(out, from, static_cast<std::size_t>(bytes));
}

void flush_stores() { finish_own_stores(); }

// For hooks.cpp.
void preempt(void* where) { yield_at(where, Wait::none); }
bool in_fiber() {
    const auto* here = static_cast<unsigned char*>(__builtin_frame_address(0));
    return here >= stacks && here < stacks + stack_count * stack_bytes;
}
int running() { return self()->number; }
std::string place_of(void* address) { return source_of(address); }

}  // namespace emu
