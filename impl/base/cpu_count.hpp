// How many processors this process may use.
#pragma once

namespace sipo {

// Processors of the affinity mask, 1 to 256.
[[nodiscard]] int usable_cpus();

// 0 means usable_cpus(); anything else is taken as it is.
[[nodiscard]] inline int resolve_threads(int threads) {
    return threads == 0 ? usable_cpus() : threads;
}

}  // namespace sipo
