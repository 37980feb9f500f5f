// Writes a directory of stored prefixes on a thread of its own, so that who computes for others need
// not wait for its disk. What the directory shall hold is done in the order in which it was asked for.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "session/prefix_key.hpp"
#include "session/state_directory.hpp"

namespace sipo {

// All members may be called by several threads; those that wait, not by a listener.
class StateWriter {
public:
    using Snapshot = std::shared_ptr<const std::vector<std::byte>>;

    // Called on the writer's thread, without a lock. They throw nothing.
    struct Listener {
        std::function<void(std::int64_t removed)> written;  // entries that went for the new one
        std::function<void(const char* reason)> failed;
    };

    // `directory` outlives it. Snapshots of at most `limit_bytes` wait, or a single one of any size.
    StateWriter(StateDirectory& directory, std::int64_t limit_bytes, Listener listener);
    // Writes all that waits first.
    ~StateWriter();
    StateWriter(const StateWriter&) = delete;
    StateWriter& operator=(const StateWriter&) = delete;

    // Of an entry that the directory may have already. Whether there was room for it to wait.
    [[nodiscard]] bool write(const PrefixKey& key, Snapshot snapshot);
    void remove(const PrefixKey& key);

    // Entries that wait or are being written.
    [[nodiscard]] std::vector<PrefixKey> keys();
    [[nodiscard]] bool has(const PrefixKey& key);
    // Returns when the entry is in the directory or has failed to get there.
    void wait_for(const PrefixKey& key);
    // Forgets what waits; returns when nothing that was asked for before is being done.
    void discard();

private:
    struct Task {
        PrefixKey key;
        Snapshot snapshot;  // none: remove the entry
        [[nodiscard]] std::int64_t bytes() const;
    };

    [[nodiscard]] bool writes(const PrefixKey& key) const;
    void run();
    void perform(const Task& task);

    StateDirectory& directory_;
    std::int64_t limit_;
    Listener listener_;
    std::mutex mutex_;  // of all below
    std::condition_variable changed_;
    std::deque<Task> tasks_;  // the first is being done
    std::int64_t bytes_ = 0;  // of their snapshots
    std::uint64_t done_ = 0;  // tasks
    bool stopping_ = false;
    std::thread thread_;  // the last: it uses all the others
};

}  // namespace sipo
