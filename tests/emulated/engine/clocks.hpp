// Vector clocks: who knows of whose deeds. Threads and mbarriers of a cluster have an index each; a clock says
// for each of them up to when what it did is known.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace emulator {

using Clocks = std::vector<std::uint32_t>;
using SharedClocks = std::shared_ptr<const Clocks>;  // most threads know the same

[[nodiscard]] SharedClocks latest(const Clocks& one, const Clocks& other);

// What a thread knows: `base`, and of itself up to `own`.
struct Snapshot {
    SharedClocks base;
    int index = -1;  // of the thread in its cluster
    int cluster = -1;
    std::uint32_t own = 0;

    [[nodiscard]] std::uint32_t knows_of(int other) const {
        return other == index ? own : (*base)[static_cast<std::size_t>(other)];
    }
    void learn(const Snapshot& other);
};

// Collects what those know that arrive; at a phase's end it is what they know that wait.
class Meeting {
public:
    Meeting() = default;
    Meeting(std::size_t size, int cluster, int index)
        : cluster_(cluster), index_(index), now_(size, 0) {}

    // That starts with what one knows.
    explicit Meeting(const Snapshot& first) : now_(*first.base), last_(first.base) { add(first); }

    void add(const Snapshot& arriving);
    void end_phase();
    void tell(Snapshot& waiting);
    // What has been collected, for a meeting that ends like this.
    [[nodiscard]] SharedClocks all() && { return std::make_shared<const Clocks>(std::move(now_)); }
    [[nodiscard]] int cluster() const { return cluster_; }
    [[nodiscard]] int index() const { return index_; }
    [[nodiscard]] std::uint32_t phases() const { return phases_; }

private:
    int cluster_ = -1;
    int index_ = -1;  // in clocks; −1: no copies complete here, so none is needed
    std::uint32_t phases_ = 0;
    Clocks now_;
    SharedClocks last_;            // that was added
    SharedClocks done_;            // at the last phase's end
    SharedClocks told_, learned_;  // who knew told_ and was told done_ knows learned_
};

}  // namespace emulator
