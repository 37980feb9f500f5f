// Stored prefixes in a directory that any number of processes share: one file an entry, written in
// one step, told by its name. Files that this is not the writer of are left alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/file.hpp"
#include "format/fingerprint.hpp"
#include "session/prefix_key.hpp"

namespace sipo {

// All members may be called by several threads.
class StateDirectory {
public:
    // Makes the directory where it is missing. Entries of other models are not seen, but count.
    StateDirectory(std::filesystem::path path, std::int64_t limit_bytes, const Fingerprint& model);

    [[nodiscard]] std::vector<PrefixKey> keys();
    [[nodiscard]] bool contains(const PrefixKey& key);
    // Nothing when it is gone. Marks the entry as used.
    [[nodiscard]] std::optional<MappedFile> open(const PrefixKey& key);
    // Then removes the entries that were unused for longest until all fit. Throws Code::io_error.
    // Returns how many were removed.
    std::int64_t write(const PrefixKey& key, std::span<const std::byte> bytes);
    void remove(const PrefixKey& key);
    [[nodiscard]] std::int64_t bytes();
    void clear();

private:
    struct Entry {
        std::filesystem::path path;
        std::int64_t bytes = 0;
        std::filesystem::file_time_type used;
        std::optional<PrefixKey> key;  // of this model
    };

    [[nodiscard]] std::filesystem::path path_of(const PrefixKey& key) const;
    void refresh();
    void scan();
    [[nodiscard]] std::int64_t evict(const PrefixKey& newest);
    [[nodiscard]] std::int64_t total() const;

    std::filesystem::path path_;
    std::int64_t limit_;
    std::string model_;
    std::mutex mutex_;
    std::vector<Entry> entries_;  // as the last scan saw them
    std::filesystem::file_time_type scanned_;
    bool fresh_ = false;
};

}  // namespace sipo
