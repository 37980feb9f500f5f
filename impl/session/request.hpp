// One generation that a scheduler works on, as the thread that waits for it sees it: tokens come out
// in order, and then how it ended.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "session/generation.hpp"

namespace sipo {

struct RequestStatistics {
    std::int64_t prompt_tokens = 0;
    std::int64_t prompt_done = 0;  // reused ones included
    std::int64_t reused_tokens = 0;
    double queued_seconds = 0.0;
    double first_token_seconds = 0.0;  // from submit()
    std::int64_t generated_tokens = 0;
    double generation_seconds = 0.0;    // from the first token to the last
    double longest_wait_seconds = 0.0;  // between two tokens
    Finish finish = Finish::none;
};

// All members may be called by several threads; each token goes to one of them.
class Request {
public:
    using Clock = std::chrono::steady_clock;

    struct Event {
        std::int32_t token = -1;  // -1: the end, with the text that was held back
        std::string text;
    };

    Request(std::int64_t prompt_tokens, bool has_callbacks);

    // For those who wait. The next event; the end comes again and again. Throws Code::timed_out
    // after `timeout` (negative: never), Code::buffer_too_small when the text is longer than
    // `room`, which leaves the event, and what the request failed with once its tokens are taken.
    [[nodiscard]] Event take(std::chrono::milliseconds timeout, std::size_t room);
    // Returns when no callback of the request runs any more.
    void wait_for_callbacks();
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] RequestStatistics statistics() const;

    // For the scheduler.
    [[nodiscard]] bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
    void note_start();
    void note_prompt(std::int64_t done, std::int64_t reused);
    void put(std::int32_t token, std::string text);
    void end(Finish finish, std::string held_text);
    void fail_with(Code code, const std::string& message);
    void note_callbacks_over();

private:
    [[nodiscard]] double seconds_since_submit() const;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Event> events_;
    bool ended_ = false;
    bool callbacks_;  // may still run
    std::optional<Error> error_;
    Clock::time_point submitted_ = Clock::now();
    Clock::time_point first_;
    Clock::time_point latest_;
    RequestStatistics statistics_;
    std::atomic<bool> cancelled_{false};
};

}  // namespace sipo
