#include "machine.hpp"

#include <cstring>

#include "reports.hpp"

namespace emulator {
namespace {

constexpr std::size_t static_bytes = 16 << 10;

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

// Between the blocks' memory there is at least a page.
std::size_t span_for(std::size_t shared_bytes) {
    return rounded_up(shared_bytes + static_bytes, 4096) + 4096;
}

// The launch that runs is the current one as long as this lives.
class Running {
public:
    Running(Machine& m, Index3 grid, unsigned threads) {
        current.machine = &m;
        current.grid_dim = grid;
        current.block_dim = {threads, 1, 1};
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
        current.totals.turns += static_cast<long long>(machine().scheduler.turn());
        current.thread = nullptr;
        current.machine = nullptr;
    }
};

}  // namespace

constinit Current current;

std::uint64_t mixed(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

Machine::Machine(unsigned block_count, unsigned threads, unsigned cluster, std::size_t shared_bytes,
                 const std::function<void()>& kernel)
    : body(&kernel),
      span(span_for(shared_bytes)),
      stacks(std::size_t{block_count} * threads * stack_bytes),
      shared(span * block_count),
      clusters(block_count / cluster),
      blocks(block_count),
      fibers(std::size_t{block_count} * threads),
      scheduler(fibers.size()),
      races(block_count, threads, cluster, shared.data(), span),
      random_state_(
          mixed(current.settings.seed * 1000 + static_cast<std::uint64_t>(current.totals.turns))) {
    std::memset(shared.data(), 0xff, shared.bytes());
    for (unsigned b = 0; b < block_count; ++b) {
        Block& block = blocks[b];
        block.number = static_cast<int>(b);
        block.rank = static_cast<int>(b % cluster);
        block.cluster = &clusters[b / cluster];
        block.memory = shared.data() + b * span;
        block.dynamic = rounded_up(shared_bytes, 128);
        block.bytes = block.dynamic + static_bytes;
        block.pending.assign(block.bytes / 4, 0);
        block.warps.resize((threads + 31) / 32);
        for (unsigned t = 0; t < threads; ++t) make_fiber(block, t, std::size_t{b} * threads + t);
    }
}

void Machine::make_fiber(Block& block, unsigned thread, std::size_t number) {
    Fiber& f = fibers[number];
    f.thread = {thread, 0, 0};
    f.number = static_cast<int>(number);
    f.in = &block;
    f.warp = &block.warps[thread / 32];
    f.warp->number = static_cast<int>(thread / 32);
    f.lane = static_cast<int>(thread % 32);
    f.stack = stacks.data() + number * stack_bytes;
    for (int* count : {&live, &block.live, &block.cluster->live, &f.warp->live}) ++*count;
    prepare(f);
    scheduler.add(f);
}

void Machine::leave(Fiber& f) {
    if (!f.outstanding.empty()) error(text(name_of(f), " ends with cp.async under way"));
    late.finish_stores_of(f);
    f.ready = Ready::done;
    f.wait = Wait::none;
    for (int* count : {&live, &f.in->live, &f.in->cluster->live, &f.warp->live}) --*count;
    scheduler.progressed();
    for (Named& b : f.in->named) {
        if (b.count == 0) may_end(b, *f.in);
    }
    may_end(*f.warp);
    may_end(*f.in->cluster);
}

std::uint64_t Machine::random() { return mixed(random_state_ += 0x9e3779b97f4a7c15ULL); }

Block* Machine::block_of(const void* place) {
    if (!shared.contains(place)) return nullptr;
    const auto* p = static_cast<const unsigned char*>(place);
    Block& b = blocks[static_cast<std::size_t>(p - shared.data()) / span];
    return p < b.memory + b.bytes ? &b : nullptr;
}

void launch(Index3 grid, unsigned threads, unsigned cluster, std::size_t shared_bytes,
            const std::function<void()>& body) {
    const unsigned block_count = grid.x * grid.y;
    if (cluster == 0 || block_count % cluster != 0)
        give_up(text(block_count, " blocks in clusters of ", cluster));
    if (shared_bytes > static_cast<std::size_t>(current.settings.shared_bytes))
        give_up(text(shared_bytes, " bytes of shared memory"));
    Machine m(block_count, threads, cluster, shared_bytes, body);
    for (Fiber& f : m.fibers) {
        const auto number = static_cast<unsigned>(f.in->number);
        f.block = {number % grid.x, number / grid.x, 0};
    }
    const Running running(m, grid, threads);
    m.scheduler.run_all();
    m.late.end();
}

}  // namespace emulator
