// Reports for what would otherwise end the process without one: bad accesses and loops that never yield.
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <iostream>

#include "machine.hpp"
#include "reports.hpp"

namespace emulator {
namespace {

// What this calls is not meant for signals. It is the process's last act, and mostly works.
void on_signal(int number, siginfo_t* info, void* context) {
    const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    std::cout << "FAIL kernel: "
              << (number == SIGALRM ? "out of time (a loop without a yield?)" : "bad access");
    if (current.machine != nullptr && current.thread != nullptr) {
        std::cout << ", " << name_of(self()) << " at "
                  << source_of(reinterpret_cast<void*>(registers[REG_RIP] + 1));
    }
    if (number != SIGALRM)
        std::cout << ", address " << info->si_addr
                  << (on_fiber_stack(info->si_addr) ? " in a stack" : "");
    std::cout << '\n';
    print_waits();
    std::cout.flush();
    std::_Exit(2);
}

}  // namespace

void watch(unsigned seconds) {
    // A fiber's own stack may be what overflowed.
    static std::array<unsigned char, 1 << 17> alternate;
    stack_t stack{};
    stack.ss_sp = alternate.data();
    stack.ss_size = alternate.size();
    sigaltstack(&stack, nullptr);
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int number : {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
        sigaction(number, &action, nullptr);
    alarm(seconds);
}

}  // namespace emulator
