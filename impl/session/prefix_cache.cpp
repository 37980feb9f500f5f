#include "session/prefix_cache.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "session/memory.hpp"

namespace sipo {
namespace {

constexpr std::int64_t shortest = 64;  // tokens: reading fewer is as quick as restoring them
constexpr const char* entry_name = "an entry of the prefix cache";

// Bytes of snapshots that wait for the directory's disk.
std::int64_t waiting_limit(const OpenModel& model) {
    constexpr std::int64_t least = std::int64_t{64} << 20;
    return std::max(least, 8 * remembered_memory(model));
}

// hashes[n] is that of the first n tokens. [tokens + 1]
std::vector<std::uint64_t> prefix_hashes(std::span<const std::int32_t> ids) {
    std::vector<std::uint64_t> hashes(ids.size() + 1, 0);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        hashes[i + 1] = extend_token_hash(hashes[i], ids.subspan(i, 1));
    }
    return hashes;
}

std::int64_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
    const std::size_t length = std::min(a.size(), b.size());
    const auto at =
        std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(length), b.begin());
    return at.first - a.begin();
}

// Which stored prefixes a prompt may use, by their keys.
class Candidates {
public:
    explicit Candidates(const PrefixQuery& query)
        : query_(query), hashes_(prefix_hashes(query.ids)) {}

    void consider(const PrefixKey& key) {
        const auto tokens = static_cast<std::int64_t>(query_.ids.size());
        const bool prefix =
            key.length <= tokens && hashes_[static_cast<std::size_t>(key.length)] == key.hash;
        if (!prefix) return;
        const bool exact =
            key.plan_key == query_.plan_key && (!query_.whole || key.length == tokens);
        if (exact) keys_.push_back(key);
        if (!exact) note_seen(key.length);
    }
    void note_seen(std::int64_t tokens) { seen_ = std::max(seen_, tokens); }
    // Tokens of the prompt that are stored under another plan.
    [[nodiscard]] std::int64_t seen() const { return seen_; }
    [[nodiscard]] std::vector<PrefixKey> longest_first() const {
        std::vector<PrefixKey> keys = keys_;
        std::sort(keys.begin(), keys.end(), std::greater<>());
        keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
        return keys;
    }

private:
    const PrefixQuery& query_;
    std::vector<std::uint64_t> hashes_;
    std::vector<PrefixKey> keys_;
    std::int64_t seen_ = 0;
};

std::span<const std::int32_t> prefix_of(const PrefixQuery& query, const PrefixKey& key) {
    return query.ids.first(static_cast<std::size_t>(key.length));
}

// Whether the entry is of the query's tokens. Throws when it is another than its name says.
bool holds(SnapshotReader& reader, const PrefixKey& key, const PrefixQuery& query) {
    const SnapshotHeader& header = reader.header();
    if (!header.ids || header.plan_key != key.plan_key || header.position != key.length) {
        fail(Code::corrupt_file, entry_name, " is another than its name says");
    }
    const auto prefix = prefix_of(query, key);
    std::vector<std::int32_t> room;
    const auto ids = reader.read(*header.ids, prefix.size(), room);
    return std::equal(ids.begin(), ids.end(), prefix.begin(), prefix.end());
}

PrefixKey key_of(const PrefixQuery& query) {
    return {static_cast<std::int64_t>(query.ids.size()), extend_token_hash(0, query.ids),
            query.plan_key};
}

}  // namespace

PrefixQuery prefix_query(std::span<const std::int32_t> ids, const context::Plan& plan) {
    return {.ids = ids, .plan_key = context::key_of(plan), .whole = context::drops_tokens(plan)};
}

std::int64_t PrefixCache::Entry::bytes() const {
    return static_cast<std::int64_t>(snapshot->size() + ids.size() * sizeof(std::int32_t));
}

PrefixCache::PrefixCache(std::shared_ptr<const OpenModel> model, PrefixCacheOptions options)
    : model_(std::move(model)), options_(std::move(options)) {
    if (options_.directory.empty()) return;
    directory_.emplace(options_.directory, options_.directory_bytes, model_->fingerprint());
    const auto count_evictions = [this](std::int64_t removed) {
        const std::lock_guard lock(mutex_);
        counters_.evictions += removed;
    };
    writer_.emplace(
        *directory_, waiting_limit(*model_),
        StateWriter::Listener{.written = count_evictions,
                              .failed = [this](const char* reason) { note_unwritten(reason); }});
}

PrefixCache::Ahead PrefixCache::read_ahead(const PrefixQuery& query) {
    Ahead ahead;
    if (!directory_) return ahead;
    Candidates candidates(query);
    // In this order: what is written in between is found twice rather than not at all.
    for (const PrefixKey& key : writer_->keys()) candidates.consider(key);
    for (const PrefixKey& key : directory_->keys()) candidates.consider(key);
    ahead.seen = candidates.seen();
    for (const PrefixKey& key : candidates.longest_first()) {
        if (read_entry(key, query, ahead)) break;
    }
    return ahead;
}

// What memory has need not be read; its file is held in case it goes before it is used.
bool PrefixCache::read_entry(const PrefixKey& key, const PrefixQuery& query, Ahead& ahead) {
    return unless_damaged(key, [&] {
        const bool kept = in_memory(key) != nullptr;
        if (!kept) writer_->wait_for(key);
        auto file = directory_->open(key);
        if (!file) return kept;
        if (!kept) {
            SnapshotReader reader(file->bytes(), entry_name);
            if (!holds(reader, key, query)) return false;
            reader.check();
            const auto bytes = file->bytes();
            insert(key, std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end()),
                   prefix_of(query, key));
        }
        ahead.key = key;
        ahead.file = std::move(file);
        return true;
    });
}

std::int64_t PrefixCache::find(const PrefixQuery& query, const Ahead& ahead,
                               const RestoreFn& restore) {
    Candidates candidates(query);
    candidates.note_seen(ahead.seen);
    if (ahead.file) candidates.consider(ahead.key);
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [key, entry] : entries_) {
            candidates.consider(key);
            if (key.plan_key == query.plan_key && !query.whole) continue;
            candidates.note_seen(common_prefix(entry.ids, query.ids));
        }
    }
    std::int64_t reused = 0;
    for (const PrefixKey& key : candidates.longest_first()) {
        if (!restore_entry(key, query, ahead, restore)) continue;
        reused = key.length;
        break;
    }
    const std::int64_t unused = candidates.seen() - reused;
    const std::int64_t inexact = unused >= shortest ? unused : 0;
    {
        const std::lock_guard lock(mutex_);
        ++counters_.prompts;
        counters_.prompts_reusing += reused > 0 ? 1 : 0;
        counters_.tokens_reused += reused;
        counters_.tokens_inexact += inexact;
    }
    if (inexact > 0) tell_inexact(query, inexact);
    return reused;
}

void PrefixCache::tell_inexact(const PrefixQuery& query, std::int64_t tokens) const {
    const char* const reason =
        query.whole ? "the context method chooses among all tokens of a prompt"
                    : "the context method treats a prompt of this length differently; fixed "
                      "expected tokens make prompts of different lengths share their prefixes";
    model_->log(3, join("prefix cache: ", tokens,
                        " tokens that were read before are read again, "
                        "because ",
                        reason));
}

bool PrefixCache::restore_entry(const PrefixKey& key, const PrefixQuery& query, const Ahead& ahead,
                                const RestoreFn& restore) {
    return unless_damaged(key, [&] {
        const auto snapshot = in_memory(key);
        const bool in_file = ahead.file && ahead.key == key;
        if (!snapshot && !in_file) return false;
        SnapshotReader reader(snapshot ? std::span(*snapshot) : ahead.file->bytes(), entry_name);
        if (!holds(reader, key, query)) return false;
        restore(reader);
        return true;
    });
}

// Whether fn() is true; false, and the entry removed, where it finds it damaged.
template <typename Fn>
bool PrefixCache::unless_damaged(const PrefixKey& key, const Fn& fn) {
    try {
        return fn();
    } catch (const Error& error) {
        if (error.code() != Code::corrupt_file && error.code() != Code::unsupported) throw;
        model_->log(2, join("prefix cache: removed a damaged entry: ", error.what()));
        drop(key);
        return false;
    }
}

PrefixCache::Snapshot PrefixCache::in_memory(const PrefixKey& key) {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(key);
    if (at == entries_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, at->second.place);
    return at->second.snapshot;
}

// Questions differ at the end of a prompt: the last tokens get more marks, further apart the
// further from the end. And where a prompt parted from one that was read before, others will.
std::vector<std::int64_t> PrefixCache::marks(const PrefixQuery& query, std::int64_t from) const {
    if (query.whole) return {};
    const auto tokens = static_cast<std::int64_t>(query.ids.size());
    std::vector<std::int64_t> marks;
    const std::int64_t interval = options_.interval;
    for (std::int64_t at = (from / interval + 1) * interval; at < tokens; at += interval) {
        marks.push_back(at);
    }
    for (std::int64_t back = 32; back < interval; back *= 4) marks.push_back(tokens - back);
    {
        std::int64_t parting = 0;
        const std::lock_guard lock(mutex_);
        for (const auto& [key, entry] : entries_) {
            if (key.plan_key != query.plan_key) continue;
            parting = std::max(parting, common_prefix(entry.ids, query.ids));
        }
        marks.push_back(parting);
    }
    std::sort(marks.begin(), marks.end());
    marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
    std::erase_if(marks,
                  [&](std::int64_t at) { return at < shortest || at <= from || at >= tokens; });
    return marks;
}

void PrefixCache::store(const PrefixQuery& query, backend::Stream& stream,
                        const SessionState& state) {
    const PrefixKey key = key_of(query);
    if (key.length < shortest) return;
    Snapshot snapshot = in_memory(key);
    const bool wanted_in_memory = !snapshot && options_.memory_bytes > 0;
    const bool wanted_in_directory = writer_ && !writer_->has(key);
    if (!wanted_in_memory && !wanted_in_directory) return;
    if (!snapshot) {
        const SnapshotLabel label{.method = {}, .plan_key = query.plan_key, .ids = query.ids};
        MemorySink sink(snapshot_bytes(*model_, state, label));
        write_snapshot(sink, Encoding::raw, stream, *model_, state, label);
        snapshot = std::make_shared<std::vector<std::byte>>(sink.take());
    }
    if (wanted_in_memory) insert(key, snapshot, query.ids);
    if (wanted_in_directory) write(key, std::move(snapshot));
}

void PrefixCache::write(const PrefixKey& key, Snapshot snapshot) {
    if (writer_->write(key, std::move(snapshot))) return;
    note_unwritten("too much waits for the directory's disk");
}

// Also on the writer's thread, where nothing may be thrown.
void PrefixCache::note_unwritten(const char* reason) {
    {
        const std::lock_guard lock(mutex_);
        ++counters_.write_failures;
    }
    try {
        model_->log(2, join("prefix cache: an entry was not written: ", reason));
    } catch (...) {  // a log that fails is nobody's error
    }
}

void PrefixCache::insert(const PrefixKey& key, Snapshot snapshot,
                         std::span<const std::int32_t> ids) {
    Entry entry{.snapshot = std::move(snapshot), .ids = {ids.begin(), ids.end()}, .place = {}};
    const std::int64_t bytes = entry.bytes();
    const std::lock_guard lock(mutex_);
    if (bytes > options_.memory_bytes || entries_.contains(key)) return;
    while (counters_.bytes + bytes > options_.memory_bytes) {
        erase(entries_.find(recent_.back()));
        ++counters_.evictions;
    }
    recent_.push_front(key);
    entry.place = recent_.begin();
    entries_.emplace(key, std::move(entry));
    counters_.bytes += bytes;
    ++counters_.entries;
}

void PrefixCache::drop(const PrefixKey& key) {
    if (writer_) writer_->remove(key);
    const std::lock_guard lock(mutex_);
    ++counters_.damaged;
    const auto at = entries_.find(key);
    if (at != entries_.end()) erase(at);
}

void PrefixCache::erase(std::map<PrefixKey, Entry>::iterator at) {
    counters_.bytes -= at->second.bytes();
    --counters_.entries;
    recent_.erase(at->second.place);
    entries_.erase(at);
}

void PrefixCache::count_computed(std::int64_t tokens) {
    const std::lock_guard lock(mutex_);
    counters_.tokens_computed += tokens;
}

PrefixCounters PrefixCache::counters() {
    const std::int64_t stored = directory_ ? directory_->bytes() : 0;
    const std::lock_guard lock(mutex_);
    PrefixCounters counters = counters_;
    counters.directory_bytes = stored;
    return counters;
}

void PrefixCache::clear() {
    if (writer_) writer_->discard();
    if (directory_) directory_->clear();
    const std::lock_guard lock(mutex_);
    while (!entries_.empty()) erase(entries_.begin());
}

}  // namespace sipo
