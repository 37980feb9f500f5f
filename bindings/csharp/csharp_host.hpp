// What callbacks.hpp asks of C#: listeners are GCHandles, called through the functions that Upcalls.cs
// registers before anything else.
#pragma once

#include <signal.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "callbacks.hpp"

namespace sipo {
namespace binding {

struct Upcalls {
    int (*progress)(Handle listener, long long done, long long total, Handle* thrown);
    int (*token)(Handle listener, std::int32_t token, const char* text, std::size_t length,
                 Handle* thrown);
    int (*log_probabilities)(Handle listener, std::int32_t token, float log_probability,
                             const std::int32_t* likeliest, const float* log_probabilities,
                             std::size_t count, Handle* thrown);
    void (*log)(Handle listener, std::int32_t level, const char* line, std::size_t length,
                Handle* thrown);
    void (*release)(Handle object);
    void (*fail)(std::int32_t status, const char* message, std::size_t length);
    void (*rethrow)(Handle thrown);
};
inline Upcalls& upcalls() {
    static Upcalls registered;
    return registered;
}

// Before a callback. A thread of the library's own, which a scheduler has, starts with all signals blocked, and
// the first callback makes it one of the runtime's, which stops its threads with signals: real-time ones, and
// Mono with SIGPWR and SIGXCPU. Blocked, they would keep the collector waiting for ever.
inline void let_the_runtime_stop_this_thread() {
    static thread_local bool done = false;
    if (done) return;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPWR);
    sigaddset(&signals, SIGXCPU);
    for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) sigaddset(&signals, number);
    done = pthread_sigmask(SIG_UNBLOCK, &signals, nullptr) == 0;
}

namespace host {
inline void release(Handle object) noexcept { upcalls().release(object); }
inline bool progress(Handle listener, long long done, long long total, Handle* thrown) {
    let_the_runtime_stop_this_thread();
    return upcalls().progress(listener, done, total, thrown) != 0;
}
inline bool token(Handle listener, std::int32_t token, const std::string& text, Handle* thrown) {
    let_the_runtime_stop_this_thread();
    return upcalls().token(listener, token, text.data(), text.size(), thrown) != 0;
}
inline bool log_probabilities(Handle listener, std::int32_t token, float log_probability,
                              const std::vector<std::int32_t>& likeliest,
                              const std::vector<float>& log_probabilities, Handle* thrown) {
    let_the_runtime_stop_this_thread();
    return upcalls().log_probabilities(listener, token, log_probability, likeliest.data(),
                                       log_probabilities.data(), likeliest.size(), thrown) != 0;
}
inline void log(Handle listener, int level, const std::string& line, Handle* thrown) {
    let_the_runtime_stop_this_thread();
    upcalls().log(listener, level, line.data(), line.size(), thrown);
}
inline void fail(sipo_status status, const char* message) noexcept {
    upcalls().fail(status, message, std::strlen(message));
}
inline void rethrow(Handle thrown) noexcept { upcalls().rethrow(thrown); }
}  // namespace host

// As Utf8.cs has it.
struct Text {
    const char* data;
    std::size_t size;
};

inline bool read_text(const Text& given, std::string* text) try {
    if (given.data == nullptr) throw Error(SIPO_INVALID_ARGUMENT, "a text is null");
    text->assign(given.data, given.size);
    return true;
} catch (...) {
    fail_with_current_exception();
    return false;
}

// As NativeArray.cs reads it: `size` bytes follow.
struct Block {
    std::size_t size;
};

template <typename Sequence>
Block* new_block(const Sequence& values) {
    const std::size_t size = values.size() * sizeof(typename Sequence::value_type);
    Block* const block = static_cast<Block*>(std::malloc(sizeof(Block) + size));
    if (block == nullptr) {
        host::fail(SIPO_OUT_OF_MEMORY, "out of memory");
        return nullptr;
    }
    block->size = size;
    if (size > 0) std::memcpy(block + 1, values.data(), size);
    return block;
}

}  // namespace binding
}  // namespace sipo

extern "C" {
__attribute__((visibility("default"))) void sipo_csharp_register(
    const sipo::binding::Upcalls* upcalls) {
    sipo::binding::upcalls() = *upcalls;
}
__attribute__((visibility("default"))) void sipo_csharp_free(sipo::binding::Block* block) {
    std::free(block);
}
}
