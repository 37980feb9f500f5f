#include "base/cpu_count.hpp"

#include <sched.h>

#include <algorithm>

namespace sipo {

int usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return std::clamp(CPU_COUNT(&set), 1, 256);
}

}  // namespace sipo
