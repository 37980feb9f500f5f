#include "session/request.hpp"

#include <algorithm>
#include <utility>

namespace sipo {

Request::Request(std::int64_t prompt_tokens, bool has_callbacks) : callbacks_(has_callbacks) {
    statistics_.prompt_tokens = prompt_tokens;
}

Request::Event Request::take(std::chrono::milliseconds timeout, std::size_t room) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return ended_ || !events_.empty(); };
    if (timeout.count() < 0) {
        changed_.wait(lock, ready);
    } else if (!changed_.wait_for(lock, timeout, ready)) {
        fail(Code::timed_out, "no token within ", timeout.count(), " milliseconds");
    }
    if (events_.empty()) {
        if (error_) throw Error(*error_);
        return {};
    }
    Event& next = events_.front();
    if (next.text.size() > room) {
        fail(Code::buffer_too_small, "text has room for ", room, "; ", next.text.size(),
             " are needed");
    }
    Event event = std::move(next);
    events_.pop_front();
    return event;
}

void Request::wait_for_callbacks() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !callbacks_; });
}

void Request::note_callbacks_over() {
    {
        const std::lock_guard lock(mutex_);
        callbacks_ = false;
    }
    changed_.notify_all();
}

RequestStatistics Request::statistics() const {
    const std::lock_guard lock(mutex_);
    return statistics_;
}

void Request::note_start() {
    const std::lock_guard lock(mutex_);
    statistics_.queued_seconds = seconds_since_submit();
}

void Request::note_prompt(std::int64_t done, std::int64_t reused) {
    const std::lock_guard lock(mutex_);
    statistics_.prompt_done = done;
    statistics_.reused_tokens = reused;
}

void Request::put(std::int32_t token, std::string text) {
    {
        const std::lock_guard lock(mutex_);
        const auto now = Clock::now();
        if (statistics_.generated_tokens++ == 0) {
            first_ = now;
            statistics_.first_token_seconds = seconds_since_submit();
        } else {
            const double wait = std::chrono::duration<double>(now - latest_).count();
            statistics_.longest_wait_seconds = std::max(statistics_.longest_wait_seconds, wait);
        }
        latest_ = now;
        statistics_.generation_seconds = std::chrono::duration<double>(now - first_).count();
        events_.push_back({token, std::move(text)});
    }
    changed_.notify_all();
}

void Request::end(Finish finish, std::string held_text) {
    {
        const std::lock_guard lock(mutex_);
        statistics_.finish = finish;
        if (!held_text.empty()) events_.push_back({-1, std::move(held_text)});
        ended_ = true;
    }
    changed_.notify_all();
}

void Request::fail_with(Code code, const std::string& message) {
    {
        const std::lock_guard lock(mutex_);
        statistics_.finish = code == Code::cancelled ? Finish::cancelled : Finish::failed;
        error_.emplace(code, message);
        ended_ = true;
    }
    changed_.notify_all();
}

double Request::seconds_since_submit() const {
    return std::chrono::duration<double>(Clock::now() - submitted_).count();
}

}  // namespace sipo
