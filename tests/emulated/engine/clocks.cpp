#include "clocks.hpp"

#include <algorithm>

namespace emulator {
namespace {

void raise(Clocks& clocks, const Clocks& other) {
    for (std::size_t i = 0; i < clocks.size(); ++i) clocks[i] = std::max(clocks[i], other[i]);
}
void raise(Clocks& clocks, int index, std::uint32_t to) {
    auto& clock = clocks[static_cast<std::size_t>(index)];
    clock = std::max(clock, to);
}

}  // namespace

SharedClocks latest(const Clocks& one, const Clocks& other) {
    auto all = std::make_shared<Clocks>(one);
    raise(*all, other);
    return all;
}

void Snapshot::learn(const Snapshot& other) {
    if (other.base == nullptr || other.cluster != cluster || knows_of(other.index) >= other.own)
        return;
    auto all = std::make_shared<Clocks>(*base);
    if (other.base != base) raise(*all, *other.base);
    raise(*all, other.index, other.own);
    base = all;
}

void Meeting::add(const Snapshot& arriving) {
    if (arriving.base != last_) {
        raise(now_, *arriving.base);
        last_ = arriving.base;
    }
    raise(now_, arriving.index, arriving.own);
}

void Meeting::end_phase() {
    ++phases_;
    if (index_ >= 0) now_[static_cast<std::size_t>(index_)] = phases_;
    done_ = std::make_shared<const Clocks>(now_);
    told_ = nullptr;
}

void Meeting::tell(Snapshot& waiting) {
    if (done_ == nullptr || (index_ >= 0 && waiting.knows_of(index_) >= phases_)) return;
    if (told_ != waiting.base) {
        told_ = waiting.base;
        learned_ = latest(*waiting.base, *done_);
    }
    waiting.base = learned_;
}

}  // namespace emulator
