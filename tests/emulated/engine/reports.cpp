#include "reports.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <set>

#include "machine.hpp"
#include "source_lines.hpp"

namespace emulator {
namespace {

constexpr int most_errors = 12;
constexpr std::size_t most_groups = 24, most_blocks = 8;

std::string wait_of(const Fiber& f) {
    switch (f.wait) {
        case Wait::named: {
            const auto& b = *static_cast<Named*>(f.object);
            return text("barrier ", &b - f.in->named.data(), ": ", b.come.size(), " of ",
                        b.count == 0 ? f.in->live : b.count, " threads have come");
        }
        case Wait::warp:
            return text("its warp (", f.warp->kind == sync_of_warp ? "syncwarp" : "shuffle",
                        "): ", f.warp->arrived, " of ", f.warp->live, " lanes have come");
        case Wait::mbarrier:
            return text("parity ", f.value, " of ", state_of(*static_cast<MBarrier*>(f.object)));
        case Wait::cluster:
            return text("cluster barrier: ", f.in->cluster->arrived, " of ", f.in->cluster->live,
                        " threads have come");
        case Wait::copies: return text("its cp.async: ", f.outstanding.size(), " under way");
        case Wait::none:
        case Wait::polls: break;
    }
    return "nothing: polls, or could run";
}

// Threads that wait at the same place for the same kind of thing.
struct Group {
    int count = 0;
    std::set<unsigned> blocks;
    std::string example;
};

void print(const Group& g, void* where) {
    std::cout << "  * " << g.count << " threads in " << g.blocks.size() << " blocks (";
    std::size_t shown = 0;
    for (unsigned b : g.blocks) {
        if (++shown > most_blocks) break;
        std::cout << (shown > 1 ? " " : "") << b;
    }
    std::cout << (g.blocks.size() > most_blocks ? " ..." : "") << "), e.g. " << g.example
              << "\n      at " << source_of(where) << '\n';
}

}  // namespace

void print_waits() {
    if (current.machine == nullptr) return;
    std::map<std::pair<void*, Wait>, Group> groups;
    for (const Fiber& f : machine().fibers) {
        if (f.ready == Ready::done) continue;
        Group& g = groups[{f.where, f.wait}];
        ++g.count;
        g.blocks.insert(static_cast<unsigned>(f.in->number));
        if (g.example.empty()) g.example = text(name_of(f), " waits for ", wait_of(f));
    }
    std::cout << "  turn " << machine().scheduler.turn() << ", " << current.totals.errors
              << " errors before; " << machine().live << " of " << machine().fibers.size()
              << " threads have not ended:\n";
    std::size_t shown = 0;
    for (const auto& [key, group] : groups) {
        if (++shown > most_groups) break;
        print(group, key.first);
    }
    std::cout.flush();
}

void give_up(const std::string& why) {
    std::cout << "FAIL kernel: " << why << '\n';
    print_waits();
    throw Stuck(why);
}

// A fiber's stack is never gone back to: what lies there is not destroyed.
void fatal(const std::string& what) {
    if (!on_fiber_stack(__builtin_frame_address(0))) give_up(what);
    machine().failure = text(what, " [", name_of(self()), "]");
    leave_for_good();
}

void error(const std::string& what) {
    if (++current.totals.errors > most_errors) return;
    std::cout << "  error (turn " << machine().scheduler.turn() << "): " << what << std::endl;
}

std::string name_of(const Fiber& f) { return text("block ", f.in->number, " thread ", f.thread.x); }

std::string state_of(const MBarrier& b) {
    return text("mbarrier at byte ", b.place - b.block->memory, " of block ", b.block->number, " (",
                b.pending, " of ", b.expected, " arrivals pending, ", b.bytes, " bytes to come, ",
                b.phases, " phases over)");
}

std::string source_of(void* address) {
    std::string& known = machine().sources[address];
    if (known.empty()) known = find_source_line(address);
    return known;
}

}  // namespace emulator
