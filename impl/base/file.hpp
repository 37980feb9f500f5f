// Files as the engine uses them: mapped for reading, replaced as a whole when written.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sipo {

// Owns one file descriptor.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() { reset(); }
    Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    [[nodiscard]] int get() const noexcept { return number_; }
    [[nodiscard]] int release() noexcept;
    void reset() noexcept;

private:
    int number_ = -1;
};

// Opens an existing regular file for reading. A directory, FIFO or device is refused without
// blocking. Throws Code::not_found when nothing is there, Code::io_error otherwise.
[[nodiscard]] Descriptor open_regular_file(const std::filesystem::path& path);

// A regular file mapped read-only for the object's life. Replacing the file by a rename leaves the
// mapping as it was; cutting it short in place does not, and no library can defend against that.
class MappedFile {
public:
    explicit MappedFile(const std::filesystem::path& path);
    // Maps what is already open; `path` is for messages only.
    MappedFile(const Descriptor& file, const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<const std::byte> bytes_;
};

// A regular file's bytes for the object's life. Up to `most` of them are read into memory, where no
// page has to be mapped one by one and nobody can cut them short; a larger file is mapped.
class FileBytes {
public:
    FileBytes(const std::filesystem::path& path, std::size_t most);
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    std::unique_ptr<std::byte[]> memory_;
    std::optional<MappedFile> mapped_;
    std::span<const std::byte> bytes_;
};

// Reads a whole file that may hold at most `limit` bytes; a larger one is Code::unsupported.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path, std::size_t limit);

// What commit() waits for. Either way the file is there for every process once commit() returns,
// whatever becomes of this one; after a power cut, one that has only reached the system may be gone,
// be the one before, or hold zeros where its bytes should be.
enum class Flush : std::uint8_t { to_device, to_system };

// Removes what a writer left that was killed while its file had a temporary name, ".sipo-*.tmp"; a
// file that is still being written stays: its writer holds a lock on it for as long as it has that
// name. What is no temporary file of ours is left alone.
void remove_abandoned_temporary(const std::filesystem::path& path);

// Writes a file that appears under its name complete, or not at all: the bytes go to a file without
// a name in the same directory, which commit() puts in place. Without commit() the old file stays
// untouched. Only to replace another does the file need a temporary name, for an instant (where the
// file system has no nameless files, from the start): what a process leaves that is killed just then is
// removed by the next that writes the same target. A symbolic link is followed, so that the file it
// points to is the one replaced.
class AtomicFile {
public:
    explicit AtomicFile(const std::filesystem::path& path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    // About how many bytes will be written, before the first: room that is taken at once is filled
    // sooner, and replacing a file then costs little more than making one. A hint: where there is no
    // such room, a later call tells.
    void expect(std::uint64_t bytes) noexcept;
    // Small pieces are gathered, so what is wrong may be told by a later call.
    void write(std::span<const std::byte> bytes);
    // Zeros up to the next multiple of `alignment`.
    void pad_to(std::size_t alignment);
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
    // Overwrites bytes that write() has already put down.
    void patch(std::uint64_t offset, std::span<const std::byte> bytes);
    // Flushes, puts the file in place and flushes the directory. The last call made.
    void commit(Flush flush = Flush::to_device);

private:
    [[nodiscard]] bool create_nameless();
    void create_temporary();
    template <typename Create>
    void take_temporary_name(const Create& create);
    [[nodiscard]] int open_locked(const std::filesystem::path& name);
    void put_down(std::span<const std::byte> bytes, std::uint64_t offset);
    void put_down_gathered();
    void put_in_place();

    std::filesystem::path target_;
    std::filesystem::path temporary_;  // empty while the file has no name
    Descriptor file_;
    mode_t final_mode_ = 0;
    std::uint64_t position_ = 0;  // after what was put down and what is gathered
    std::uint64_t expected_ = 0;  // size of the file until commit(), where it was taken at once
    std::vector<std::byte> gathered_;  // the last bytes before position_
};

}  // namespace sipo
