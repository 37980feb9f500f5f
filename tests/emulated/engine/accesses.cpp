// What a kernel calls at its accesses to memory when it is compiled with -fsanitize=thread. The sanitizer's own
// library is not linked: these functions take its place.
#include "machine.hpp"

namespace emulator {
namespace {

void access(const void* place, std::size_t bytes, bool writes, void* where) {
    if (current.machine == nullptr || !machine().shared.contains(place)) return;
    const unsigned preempt = current.settings.preempt;
    if (preempt != 0 && machine().random() % preempt == 0) yield_at(where, Wait::none);
    machine().races.access(self().number, static_cast<const unsigned char*>(place), bytes, writes,
                           where);
}

}  // namespace
}  // namespace emulator

// Names and sizes are the compiler's: only a macro makes them.
#define EMULATOR_ACCESS(function, bytes, writes)                             \
    void function(void* place) {                                             \
        emulator::access(place, bytes, writes, __builtin_return_address(0)); \
    }
#define EMULATOR_ACCESSES(bytes)                                \
    EMULATOR_ACCESS(__tsan_read##bytes, bytes, false)           \
    EMULATOR_ACCESS(__tsan_write##bytes, bytes, true)           \
    EMULATOR_ACCESS(__tsan_unaligned_read##bytes, bytes, false) \
    EMULATOR_ACCESS(__tsan_unaligned_write##bytes, bytes, true)

extern "C" {
EMULATOR_ACCESSES(1)
EMULATOR_ACCESSES(2)
EMULATOR_ACCESSES(4)
EMULATOR_ACCESSES(8)
EMULATOR_ACCESSES(16)
void __tsan_read_range(void* place, std::size_t bytes) {
    emulator::access(place, bytes, false, __builtin_return_address(0));
}
void __tsan_write_range(void* place, std::size_t bytes) {
    emulator::access(place, bytes, true, __builtin_return_address(0));
}
void __tsan_init() { emulator::current.instrumented = true; }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
}
