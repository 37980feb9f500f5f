// What the emulator says: errors, after which the kernel goes on, and why it cannot go on.
#pragma once
#include <sstream>
#include <string>

namespace emulator {

struct Fiber;
struct MBarrier;

template <typename... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

void error(const std::string& what);
// By a fiber, or by the scheduler: the kernel cannot go on.
[[noreturn]] void fatal(const std::string& what);
// By the scheduler or the host: prints why, and what all threads wait for; throws Stuck.
[[noreturn]] void give_up(const std::string& why);
void print_waits();

[[nodiscard]] std::string name_of(const Fiber& fiber);
[[nodiscard]] std::string state_of(const MBarrier& barrier);
// Where in the kernel's source a return address is.
[[nodiscard]] std::string source_of(void* address);

}  // namespace emulator
