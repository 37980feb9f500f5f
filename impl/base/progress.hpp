// How long work reports how far it is, and learns that nobody wants it any more.
#pragma once

#include <cstdint>
#include <functional>

#include "base/error.hpp"

namespace sipo {

// Called with (done, total) in units of the work at hand; a nonzero return cancels.
using ProgressFn = std::function<int(std::uint64_t done, std::uint64_t total)>;

inline void report(const ProgressFn& progress, std::uint64_t done, std::uint64_t total) {
    if (progress && progress(done, total) != 0) {
        fail(Code::cancelled, "cancelled by the progress callback at ", done, " of ", total);
    }
}

}  // namespace sipo
