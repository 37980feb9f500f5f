#include "fibers.hpp"

#include <cstdlib>
#include <cstring>

#include "machine.hpp"
#include "reports.hpp"

// Saves the registers that a call keeps, and where the stack is, in *save; goes on where `load` was saved.
extern "C" void emulator_switch(void** save, void* load);
asm(R"(
.text
.globl emulator_switch
.type emulator_switch,@function
emulator_switch:
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
.size emulator_switch,.-emulator_switch
)");

namespace emulator {
namespace {

constexpr int saved_registers = 6;
// At the bottom of a stack, which only an overflow reaches.
constexpr std::uint64_t canary = 0x5ca1ab1e0ddba11ULL;
constexpr std::size_t least_free = 2048;

void switch_out() {
    Fiber& f = self();
    const auto* here = static_cast<unsigned char*>(__builtin_frame_address(0));
    if (here < f.stack + least_free) fatal("stack overflow");
    emulator_switch(&f.stack_pointer, machine().scheduler_stack);
}

void check_stack(const Fiber& f) {
    std::uint64_t bottom;
    std::memcpy(&bottom, f.stack, sizeof bottom);
    if (bottom != canary) fatal("stack overflow");
}

[[noreturn]] void entry() {
    (*machine().body)();
    check_stack(self());
    machine().leave(self());
    leave_for_good();
}

}  // namespace

Fiber& self() { return *static_cast<Fiber*>(const_cast<Thread*>(current.thread)); }

void prepare(Fiber& f) {
    std::memcpy(f.stack, &canary, sizeof canary);
    auto* top = reinterpret_cast<void**>(f.stack + stack_bytes - 64);
    *--top = nullptr;  // a return address that entry() never uses
    *--top = reinterpret_cast<void*>(&entry);
    for (int i = 0; i < saved_registers; ++i) *--top = nullptr;
    f.stack_pointer = top;
}

void run(Fiber& f) {
    current.thread = &f;
    emulator_switch(&machine().scheduler_stack, f.stack_pointer);
}

void block_on(Wait wait, void* object, std::uint32_t value, void* where) {
    Fiber& f = self();
    f.ready = Ready::no;
    f.wait = wait;
    f.object = object;
    f.value = value;
    f.where = where;
    switch_out();
}

void yield_at(void* where, Wait wait) {
    Fiber& f = self();
    machine().scheduler.add(f);
    f.wait = wait;
    f.where = where;
    switch_out();
    f.wait = Wait::none;
}

void yield_sometimes(void* where) {
    if (current.settings.order != Order::round_robin && machine().random() % 2 == 0)
        yield_at(where, Wait::none);
}

void leave_for_good() {
    emulator_switch(&self().stack_pointer, machine().scheduler_stack);
    std::abort();
}

bool on_fiber_stack(const void* place) {
    return current.machine != nullptr && machine().stacks.contains(place);
}

void yield() { yield_at(__builtin_return_address(0), Wait::polls); }

}  // namespace emulator
