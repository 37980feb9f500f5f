// States after prefixes of prompts that were read before, so that a prompt which starts with one
// need not read it again. In memory, and in a directory where one is given.
//
// Exact or not at all. A stored state is used for a prompt only when the context method's plan for
// that prompt equals the plan that it was made under (context::key_of) and the tokens themselves
// are the same. A plan that drops tokens ties the state to its whole prompt, so then only the whole
// prompt is stored and found. What was seen before and still has to be read again is counted and
// logged.
//
// Who computes for others need not wait for a disk: a look-up has two halves, of which read_ahead()
// reads the directory and find() does not, and what store() keeps in the directory is written by a
// thread of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "context/method.hpp"
#include "session/open_model.hpp"
#include "session/prefix_key.hpp"
#include "session/session_state.hpp"
#include "session/snapshot.hpp"
#include "session/state_directory.hpp"
#include "session/state_writer.hpp"

namespace sipo {

struct PrefixCacheOptions {
    std::int64_t memory_bytes = std::int64_t{256} << 20;
    std::filesystem::path directory;  // empty: none
    std::int64_t directory_bytes = 0;
    std::int64_t interval = 2048;  // tokens from one stored state of a prompt to the next
};

// What a prompt is to the cache.
struct PrefixQuery {
    std::span<const std::int32_t> ids;
    std::uint64_t plan_key = 0;
    bool whole = false;  // the plan drops tokens
};

[[nodiscard]] PrefixQuery prefix_query(std::span<const std::int32_t> ids,
                                       const context::Plan& plan);

struct PrefixCounters {
    std::int64_t prompts = 0;
    std::int64_t prompts_reusing = 0;
    std::int64_t tokens_reused = 0;
    std::int64_t tokens_computed = 0;
    std::int64_t tokens_inexact = 0;  // seen before, but under another plan
    std::int64_t entries = 0;         // in memory, as the next
    std::int64_t bytes = 0;
    std::int64_t directory_bytes = 0;
    std::int64_t evictions = 0;       // in memory and in the directory
    std::int64_t damaged = 0;         // entries that were found damaged and removed
    std::int64_t write_failures = 0;  // entries that did not get into the directory
};

// All members may be called by several threads.
class PrefixCache {
public:
    // What the directory has of a prompt. Its file stays, whatever becomes of the entry.
    struct Ahead {
        PrefixKey key;  // of the file
        std::optional<MappedFile> file;
        std::int64_t seen = 0;  // tokens of the prompt that are stored under another plan
    };
    using RestoreFn = std::function<void(SnapshotReader&)>;

    // Its end waits until the directory has what was stored.
    PrefixCache(std::shared_ptr<const OpenModel> model, PrefixCacheOptions options);

    [[nodiscard]] bool has_directory() const { return directory_.has_value(); }
    // Reads the longest prefix that the directory has or is about to have, and keeps it in memory too;
    // a damaged one is removed.
    [[nodiscard]] Ahead read_ahead(const PrefixQuery& query);
    // Calls `restore` with the longest prefix of the prompt in memory or in `ahead` and returns its
    // length; 0 when there is none. An entry that `restore` throws an Error about is removed.
    [[nodiscard]] std::int64_t find(const PrefixQuery& query, const Ahead& ahead,
                                    const RestoreFn& restore);
    // Where a prompt's states are to be stored on the way: ascending, in (from, tokens).
    [[nodiscard]] std::vector<std::int64_t> marks(const PrefixQuery& query,
                                                  std::int64_t from) const;
    // Keeps the state after all of query.ids; what becomes of it in the directory is not waited for.
    // Failing to is counted and logged, no error.
    void store(const PrefixQuery& query, backend::Stream& stream, const SessionState& state);
    void count_computed(std::int64_t tokens);

    // It looks at the directory, as clear() does.
    [[nodiscard]] PrefixCounters counters();
    void clear();
    [[nodiscard]] const OpenModel& model() const { return *model_; }

private:
    using Snapshot = StateWriter::Snapshot;

    struct Entry {
        Snapshot snapshot;
        std::vector<std::int32_t> ids;
        std::list<PrefixKey>::iterator place;  // in recent_
        [[nodiscard]] std::int64_t bytes() const;
    };

    [[nodiscard]] bool read_entry(const PrefixKey& key, const PrefixQuery& query, Ahead& ahead);
    [[nodiscard]] bool restore_entry(const PrefixKey& key, const PrefixQuery& query,
                                     const Ahead& ahead, const RestoreFn& restore);
    template <typename Fn>
    [[nodiscard]] bool unless_damaged(const PrefixKey& key, const Fn& fn);
    [[nodiscard]] Snapshot in_memory(const PrefixKey& key);
    void insert(const PrefixKey& key, Snapshot snapshot, std::span<const std::int32_t> ids);
    void write(const PrefixKey& key, Snapshot snapshot);
    void note_unwritten(const char* reason);
    void drop(const PrefixKey& key);
    void erase(std::map<PrefixKey, Entry>::iterator at);
    void tell_inexact(const PrefixQuery& query, std::int64_t tokens) const;

    std::shared_ptr<const OpenModel> model_;
    PrefixCacheOptions options_;
    std::optional<StateDirectory> directory_;
    mutable std::mutex mutex_;  // of all below
    std::map<PrefixKey, Entry> entries_;
    std::list<PrefixKey> recent_;  // the latest first
    PrefixCounters counters_;
    std::optional<StateWriter> writer_;  // of the directory; the last: it uses all the others
};

}  // namespace sipo
