#include "session/state_directory.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>

#include "base/error.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".sipo-state";
constexpr std::size_t model_digits = 32;
constexpr std::size_t number_digits = 16;

template <typename Integer>
std::optional<Integer> parse(std::string_view text, int base) {
    Integer value{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

// Model, plan, hash and length, as path_of() writes them.
struct Name {
    std::string_view model;
    PrefixKey key;
};

std::optional<Name> parse_name(std::string_view name) {
    constexpr std::size_t fixed = model_digits + 2 * number_digits + 3;
    if (!name.ends_with(suffix) || name.size() <= fixed + suffix.size()) return std::nullopt;
    const auto plan = parse<std::uint64_t>(name.substr(model_digits + 1, number_digits), 16);
    const auto hash =
        parse<std::uint64_t>(name.substr(model_digits + number_digits + 2, number_digits), 16);
    const auto length =
        parse<std::int64_t>(name.substr(fixed, name.size() - fixed - suffix.size()), 10);
    if (!plan || !hash || !length || *length < 1) return std::nullopt;
    return Name{name.substr(0, model_digits), {*length, *hash, *plan}};
}

}  // namespace

StateDirectory::StateDirectory(fs::path path, std::int64_t limit_bytes, const Fingerprint& model)
    : path_(std::move(path)), limit_(limit_bytes), model_(text_of(model)) {
    std::error_code error;
    fs::create_directories(path_, error);
    if (!fs::is_directory(path_, error)) {
        fail(Code::io_error, "cannot make the directory ", path_.string(), ": ", error.message());
    }
}

fs::path StateDirectory::path_of(const PrefixKey& key) const {
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "-%016llx-%016llx-%lld",
                  static_cast<unsigned long long>(key.plan_key),
                  static_cast<unsigned long long>(key.hash), static_cast<long long>(key.length));
    return path_ / join(model_, text.data(), suffix);
}

std::vector<PrefixKey> StateDirectory::keys() {
    const std::lock_guard lock(mutex_);
    refresh();
    std::vector<PrefixKey> keys;
    for (const Entry& entry : entries_) {
        if (entry.key) keys.push_back(*entry.key);
    }
    return keys;
}

bool StateDirectory::contains(const PrefixKey& key) {
    std::error_code error;
    return fs::exists(path_of(key), error);
}

std::optional<MappedFile> StateDirectory::open(const PrefixKey& key) {
    const fs::path path = path_of(key);
    try {
        MappedFile file(path);
        std::error_code ignored;
        fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
        return file;
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::int64_t StateDirectory::write(const PrefixKey& key, std::span<const std::byte> bytes) {
    if (static_cast<std::int64_t>(bytes.size()) > limit_) return 0;
    AtomicFile file(path_of(key));
    file.expect(bytes.size());
    file.write(bytes);
    // A power cut may spoil an entry: its checksums tell.
    file.commit(Flush::to_system);
    const std::lock_guard lock(mutex_);
    scan();
    return evict(key);
}

void StateDirectory::remove(const PrefixKey& key) {
    std::error_code ignored;
    fs::remove(path_of(key), ignored);
}

std::int64_t StateDirectory::bytes() {
    const std::lock_guard lock(mutex_);
    refresh();
    return total();
}

void StateDirectory::clear() {
    for (const PrefixKey& key : keys()) remove(key);
    const std::lock_guard lock(mutex_);
    scan();
}

// Looks again when the directory has changed. Its time is coarse, so a change just before the last
// look may not show.
void StateDirectory::refresh() {
    std::error_code error;
    const auto changed = fs::last_write_time(path_, error);
    const bool settled = scanned_ - changed > std::chrono::milliseconds(50);
    if (!error && fresh_ && settled) return;
    scan();
}

void StateDirectory::scan() {
    scanned_ = fs::file_time_type::clock::now();
    fresh_ = true;
    entries_.clear();
    std::error_code error;
    for (fs::directory_iterator at(path_, error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename().string();
        const auto parsed = parse_name(name);
        if (!parsed) {
            remove_abandoned_temporary(at->path());
            continue;
        }
        std::error_code gone;
        Entry entry{.path = at->path(), .bytes = 0, .used = {}, .key = std::nullopt};
        entry.bytes = static_cast<std::int64_t>(at->file_size(gone));
        if (!gone) entry.used = at->last_write_time(gone);
        if (gone) continue;  // by another process
        if (parsed->model == model_) entry.key = parsed->key;
        entries_.push_back(std::move(entry));
    }
}

std::int64_t StateDirectory::evict(const PrefixKey& newest) {
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.used < b.used; });
    std::int64_t left = total();
    std::int64_t removed = 0;
    std::erase_if(entries_, [&](const Entry& entry) {
        if (left <= limit_ || entry.key == newest) return false;
        std::error_code ignored;
        fs::remove(entry.path, ignored);
        left -= entry.bytes;
        ++removed;
        return true;
    });
    return removed;
}

std::int64_t StateDirectory::total() const {
    std::int64_t bytes = 0;
    for (const Entry& entry : entries_) bytes += entry.bytes;
    return bytes;
}

}  // namespace sipo
