// Reads a .sipo container. Nothing in the file is trusted: opening checks the structure, reading a
// frame checks its bytes. All members are const; several threads may call them at once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.hpp"
#include "format/calibration_profile.hpp"
#include "format/contents.hpp"

namespace sipo {

class Container {
public:
    // Code::corrupt_file for damage, Code::unsupported for a newer major version or an architecture
    // out of range, Code::not_found and Code::io_error from the file system.
    [[nodiscard]] static Container open(const std::filesystem::path& path);
    ~Container();
    Container(Container&&) noexcept;
    Container& operator=(Container&&) noexcept;
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;

    [[nodiscard]] const Contents& contents() const noexcept;
    [[nodiscard]] const Architecture& architecture() const noexcept;
    [[nodiscard]] const Provenance& provenance() const noexcept;
    [[nodiscard]] std::uint32_t minor_version() const noexcept;

    // The tokenizer.json of the checkpoint, verbatim. Code::not_found when there is none.
    [[nodiscard]] std::string tokenizer_json() const;

    [[nodiscard]] std::vector<std::string> profile_names() const;
    // Code::not_found names the profiles there are.
    [[nodiscard]] CalibrationProfile profile(std::string_view name) const;

    [[nodiscard]] std::span<const TensorEntry> tensors() const noexcept;
    [[nodiscard]] const TensorEntry* find(std::string_view name) const noexcept;
    // As find(), but a missing tensor is Code::corrupt_file, and so is a shape other than `shape`.
    [[nodiscard]] const TensorEntry& require(std::string_view name,
                                             std::span<const std::int64_t> shape) const;

    // The frames of a compressed tensor hold whole rows (slices of the first dimension) as
    // ContainerWriter cuts them, so that a loader can convert each on its own; only rows above 4
    // MiB are split. Another writer may have cut elsewhere: raw_bytes of each frame is what counts.
    [[nodiscard]] static std::size_t frame_count(const TensorEntry& entry) noexcept {
        return entry.payload.frames.size();
    }
    // Decodes frame `index` into `out`, which has exactly the frame's raw_bytes.
    void read_frame(const TensorEntry& entry, std::size_t index, std::span<std::byte> out) const;
    // Decodes all frames in parallel into `out`, which has exactly the tensor's raw bytes.
    void read(const TensorEntry& entry, ThreadPool& pool, std::span<std::byte> out) const;
    [[nodiscard]] std::vector<std::byte> read(const TensorEntry& entry, ThreadPool& pool) const;

    // The tensor's bytes in the mapping, valid while the container lives; nothing unless stored raw
    // and in one piece. The bytes are unchecked: call verify() first where damage must not pass.
    [[nodiscard]] std::optional<std::span<const std::byte>> raw_view(
        const TensorEntry& entry) const;
    // Checks the stored bytes against their checksums, in parallel. Code::corrupt_file on damage.
    void verify(const TensorEntry& entry, ThreadPool& pool) const;

private:
    struct State;
    explicit Container(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

}  // namespace sipo
