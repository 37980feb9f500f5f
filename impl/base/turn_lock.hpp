// A lock that is taken in the order it was asked for. A std::mutex lets a thread that unlocks and
// locks again in a loop keep all others out.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/error.hpp"

namespace sipo {

class TurnLock {
public:
    // Throws Code::invalid_state when this thread has the turn already, as in a callback.
    void lock() {
        std::unique_lock guard(mutex_);
        if (holder_ == std::this_thread::get_id()) {
            fail(Code::invalid_state,
                 "a callback used a session that shares the threads of the call it comes from");
        }
        const std::uint64_t mine = next_++;
        changed_.wait(guard, [&] { return serving_ == mine; });
        holder_ = std::this_thread::get_id();
    }
    void unlock() {
        {
            const std::lock_guard guard(mutex_);
            ++serving_;
            holder_ = {};
        }
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t next_ = 0;
    std::uint64_t serving_ = 0;
    std::thread::id holder_;
};

}  // namespace sipo
