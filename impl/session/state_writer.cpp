#include "session/state_writer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/signals.hpp"

namespace sipo {

std::int64_t StateWriter::Task::bytes() const {
    return snapshot ? static_cast<std::int64_t>(snapshot->size()) : 0;
}

StateWriter::StateWriter(StateDirectory& directory, std::int64_t limit_bytes, Listener listener)
    : directory_(directory), limit_(limit_bytes), listener_(std::move(listener)) {
    const AllSignalsBlocked inherited_by_the_thread;
    thread_ = std::thread([this] { run(); });
}

StateWriter::~StateWriter() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

bool StateWriter::write(const PrefixKey& key, Snapshot snapshot) {
    Task task{key, std::move(snapshot)};
    {
        const std::lock_guard lock(mutex_);
        if (bytes_ > 0 && bytes_ + task.bytes() > limit_) return false;
        bytes_ += task.bytes();
        tasks_.push_back(std::move(task));
    }
    changed_.notify_all();
    return true;
}

void StateWriter::remove(const PrefixKey& key) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back({key, nullptr});
    }
    changed_.notify_all();
}

std::vector<PrefixKey> StateWriter::keys() {
    const std::lock_guard lock(mutex_);
    std::vector<PrefixKey> keys;
    for (const Task& task : tasks_) {
        if (task.snapshot) keys.push_back(task.key);
    }
    return keys;
}

bool StateWriter::has(const PrefixKey& key) {
    const std::lock_guard lock(mutex_);
    return writes(key);
}

void StateWriter::wait_for(const PrefixKey& key) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !writes(key); });
}

// With mutex_ held.
bool StateWriter::writes(const PrefixKey& key) const {
    return std::any_of(tasks_.begin(), tasks_.end(), [&](const Task& task) {
        return task.snapshot != nullptr && task.key == key;
    });
}

void StateWriter::discard() {
    std::unique_lock lock(mutex_);
    while (tasks_.size() > 1) {
        bytes_ -= tasks_.back().bytes();
        tasks_.pop_back();
    }
    const std::uint64_t last = done_ + tasks_.size();
    changed_.wait(lock, [&] { return done_ >= last; });
}

void StateWriter::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        // It stays in its place, so that who looks for the entry waits for it.
        const Task task = tasks_.front();
        lock.unlock();
        perform(task);
        lock.lock();
        bytes_ -= task.bytes();
        tasks_.pop_front();
        ++done_;
        changed_.notify_all();
    }
}

void StateWriter::perform(const Task& task) {
    try {
        if (task.snapshot == nullptr) {
            directory_.remove(task.key);
        } else if (!directory_.contains(task.key)) {
            listener_.written(directory_.write(task.key, *task.snapshot));
        }
    } catch (const std::exception& error) {
        listener_.failed(error.what());
    }
}

}  // namespace sipo
