#include "base/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

constexpr mode_t permission_bits = 0777;
constexpr mode_t private_mode = 0600;  // of a file that is still being written

// Bytes: the system caches a file in pieces as large as it is written in, and maps it by the piece.
constexpr std::size_t gathering = std::size_t{1} << 20;

[[noreturn]] void fail_with_errno(const char* action, const fs::path& path, int error) {
    const Code code = error == ENOENT || error == ENOTDIR ? Code::not_found : Code::io_error;
    fail(code, "cannot ", action, " ", path.string(), ": ", std::generic_category().message(error));
}

// Calls `action` again while signals interrupt it.
template <typename Action>
auto retry(const Action& action) {
    auto result = action();
    while (result < 0 && errno == EINTR) result = action();
    return result;
}

const char* kind_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR: return "a directory";
        case S_IFIFO: return "a FIFO";
        case S_IFSOCK: return "a socket";
        case S_IFCHR:
        case S_IFBLK: return "a device";
        default: return "not a regular file";
    }
}

struct stat status_of(const Descriptor& file, const fs::path& path) {
    struct stat status {};
    if (fstat(file.get(), &status) != 0) fail_with_errno("examine", path, errno);
    return status;
}

// The file that a chain of symbolic links ends at, whether it exists yet or not.
fs::path follow_links(fs::path path) {
    constexpr int kernel_limit = 40;
    for (int link = 0; link < kernel_limit; ++link) {
        std::error_code error;
        if (!fs::is_symlink(fs::symlink_status(path, error))) return path;
        const fs::path target = fs::read_symlink(path, error);
        if (error) fail_with_errno("follow", path, error.value());
        path = target.is_absolute() ? target : path.parent_path() / target;
    }
    fail_with_errno("follow", path, ELOOP);
}

fs::path directory_of(const fs::path& path) {
    const fs::path parent = path.parent_path();
    return parent.empty() ? fs::path(".") : parent;
}

// Temporary names are short, so that a target whose own name is as long as names may be still has
// room beside it.
constexpr std::string_view temporary_prefix = ".sipo-";
constexpr std::string_view temporary_suffix = ".tmp";

fs::path temporary_beside(const fs::path& target, std::uint64_t number) {
    std::array<char, 17> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(number));
    return directory_of(target) / join(temporary_prefix, digits.data(), temporary_suffix);
}

std::uint64_t random_number() {
    std::uint64_t number = 0;
    if (retry([&] { return getrandom(&number, sizeof number, 0); }) != sizeof number) {
        fail(Code::io_error, "the system gives no random bytes");
    }
    return number;
}

// The names that writers of a target try first, so that the next of them finds what was left. Two at
// once are rare.
constexpr std::uint64_t own_names = 4;

fs::path own_temporary_of(const fs::path& target, std::uint64_t index) {
    const std::uint64_t own = std::hash<std::string>()(target.filename().string());
    return temporary_beside(target, own + index);
}

// Only one may hold it; it goes with the process.
bool lock_file(const Descriptor& file) {
    return retry([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) == 0;
}

bool is_named(const Descriptor& file, const fs::path& path) {
    struct stat named {};
    struct stat opened {};
    return ::lstat(path.c_str(), &named) == 0 && ::fstat(file.get(), &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

std::string path_in_proc(const Descriptor& file) { return join("/proc/self/fd/", file.get()); }

// 0 or an error number.
int link_to(const Descriptor& file, const fs::path& name) {
    const std::string from = path_in_proc(file);
    const int result = retry([&] {
        return ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW);
    });
    return result == 0 ? 0 : errno;
}

void sync_directory(const fs::path& directory) {
    const Descriptor handle(
        retry([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (handle.get() < 0) fail_with_errno("open", directory, errno);
    // Some file systems have nothing to flush for a directory and say EINVAL.
    if (retry([&] { return fsync(handle.get()); }) != 0 && errno != EINVAL) {
        fail_with_errno("flush", directory, errno);
    }
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        reset();
        number_ = other.release();
    }
    return *this;
}

int Descriptor::release() noexcept { return std::exchange(number_, -1); }

void Descriptor::reset() noexcept {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
}

Descriptor open_regular_file(const fs::path& path) {
    // Without O_NONBLOCK, opening a FIFO waits for a writer.
    Descriptor file(
        retry([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); }));
    if (file.get() < 0) fail_with_errno("open", path, errno);
    const mode_t mode = status_of(file, path).st_mode;
    if (!S_ISREG(mode)) fail(Code::io_error, path.string(), " is ", kind_of(mode));
    return file;
}

MappedFile::MappedFile(const fs::path& path) : MappedFile(open_regular_file(path), path) {}

MappedFile::MappedFile(const Descriptor& file, const fs::path& path) {
    const off_t size = status_of(file, path).st_size;
    if (size <= 0) return;  // mmap refuses a length of zero
    const auto length = static_cast<std::size_t>(size);
    void* const address = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) fail_with_errno("map", path, errno);
    bytes_ = {static_cast<const std::byte*>(address), length};
}

MappedFile::~MappedFile() {
    if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
}

FileBytes::FileBytes(const fs::path& path, std::size_t most) {
    const Descriptor file = open_regular_file(path);
    const auto size = static_cast<std::size_t>(std::max<off_t>(status_of(file, path).st_size, 0));
    if (size > most) {
        bytes_ = mapped_.emplace(file, path).bytes();
        return;
    }
    memory_ = std::make_unique_for_overwrite<std::byte[]>(size);
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count =
            retry([&] { return ::read(file.get(), memory_.get() + done, size - done); });
        if (count < 0) fail_with_errno("read", path, errno);
        if (count == 0) break;  // shorter than it was
        done += static_cast<std::size_t>(count);
    }
    bytes_ = {memory_.get(), done};
}

std::string read_text_file(const fs::path& path, std::size_t limit) {
    const MappedFile file(path);
    if (file.size() > limit) {
        fail(Code::unsupported, path.string(), " has ", file.size(), " bytes; the limit is ",
             limit);
    }
    std::string text(file.size(), '\0');
    std::transform(file.bytes().begin(), file.bytes().end(), text.begin(),
                   [](std::byte byte) { return static_cast<char>(byte); });
    return text;
}

// Whoever holds the lock of a file that has a temporary name may remove that name: its writer, or
// one who has found it without a writer. So between the look at the name and its end nobody else
// gives the name to another file.
void remove_abandoned_temporary(const fs::path& path) {
    const std::string name = path.filename().string();
    if (!name.starts_with(temporary_prefix) || !name.ends_with(temporary_suffix)) return;
    const Descriptor file(retry([&] {
        return ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    if (lock_file(file) && is_named(file, path)) ::unlink(path.c_str());
}

AtomicFile::AtomicFile(const fs::path& path) : target_(follow_links(path)) {
    struct stat replaced {};
    const bool exists = ::stat(target_.c_str(), &replaced) == 0;
    if (!exists && errno != ENOENT) fail_with_errno("write", target_, errno);
    if (exists && !S_ISREG(replaced.st_mode)) {
        fail(Code::io_error, "cannot replace ", target_.string(), ": it is ",
             kind_of(replaced.st_mode));
    }
    for (std::uint64_t i = 0; i < own_names; ++i) {
        remove_abandoned_temporary(own_temporary_of(target_, i));
    }
    if (!create_nameless()) create_temporary();
    if (exists) final_mode_ = replaced.st_mode & permission_bits;
}

AtomicFile::~AtomicFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

// A nameless file vanishes with the process. It gets its name through /proc.
bool AtomicFile::create_nameless() {
    const fs::path directory = directory_of(target_);
    file_ = Descriptor(
        retry([&] { return ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666); }));
    if (file_.get() < 0) return false;
    if (::access(path_in_proc(file_).c_str(), F_OK) != 0) {
        file_.reset();
        return false;
    }
    final_mode_ = status_of(file_, target_).st_mode & permission_bits;
    return true;
}

// `create` gives the file the name it gets, and an error number, EEXIST for another name.
template <typename Create>
void AtomicFile::take_temporary_name(const Create& create) {
    constexpr std::uint64_t attempts = 16;
    int error = EEXIST;
    for (std::uint64_t i = 0; i < attempts && error == EEXIST; ++i) {
        const fs::path name = i < own_names ? own_temporary_of(target_, i)
                                            : temporary_beside(target_, random_number());
        error = create(name);
        if (error == 0) temporary_ = name;
    }
    if (error != 0) fail_with_errno("create a file beside", target_, error);
}

int AtomicFile::open_locked(const fs::path& name) {
    // The kernel applies the umask here: asking for it would change it for other threads.
    file_ = Descriptor(
        retry([&] { return ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
    if (file_.get() < 0) return errno;
    // Who looked for abandoned files in between has taken this one for one of them.
    const bool taken = !lock_file(file_) && errno == EWOULDBLOCK;
    return taken || !is_named(file_, name) ? EEXIST : 0;
}

void AtomicFile::create_temporary() {
    take_temporary_name([&](const fs::path& name) { return open_locked(name); });
    final_mode_ = status_of(file_, temporary_).st_mode & permission_bits;
    if (fchmod(file_.get(), private_mode) != 0) fail_with_errno("protect", temporary_, errno);
}

void AtomicFile::expect(std::uint64_t bytes) noexcept {
    if (bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return;
    if (retry([&] { return ::fallocate(file_.get(), 0, 0, static_cast<off_t>(bytes)); }) == 0) {
        expected_ = bytes;
    }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const std::size_t whole = bytes.size() / gathering * gathering;
        if (gathered_.empty() && whole > 0) {
            put_down(bytes.first(whole), position_);
            position_ += whole;
            bytes = bytes.subspan(whole);
            continue;
        }
        gathered_.reserve(gathering);
        const auto next = bytes.first(std::min(bytes.size(), gathering - gathered_.size()));
        gathered_.insert(gathered_.end(), next.begin(), next.end());
        position_ += next.size();
        bytes = bytes.subspan(next.size());
        if (gathered_.size() == gathering) put_down_gathered();
    }
}

void AtomicFile::put_down_gathered() {
    put_down(gathered_, position_ - gathered_.size());
    gathered_.clear();
}

void AtomicFile::put_down(std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t count = retry([&] {
            return ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        });
        if (count <= 0) fail_with_errno("write", target_, count < 0 ? errno : ENOSPC);
        offset += static_cast<std::uint64_t>(count);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void AtomicFile::pad_to(std::size_t alignment) {
    static constexpr std::array<std::byte, 64> zeros{};
    auto missing = static_cast<std::size_t>((alignment - position_ % alignment) % alignment);
    while (missing > 0) {
        const std::size_t count = std::min(missing, zeros.size());
        write(std::span(zeros).first(count));
        missing -= count;
    }
}

void AtomicFile::patch(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (offset > position_ || bytes.size() > position_ - offset) {
        fail(Code::internal, "a patch of ", bytes.size(), " bytes at ", offset, " is past the end");
    }
    put_down_gathered();
    put_down(bytes, offset);
}

void AtomicFile::commit(Flush flush) {
    if (file_.get() < 0) fail(Code::invalid_state, target_.string(), " was committed before");
    put_down_gathered();
    if (fchmod(file_.get(), final_mode_) != 0) fail_with_errno("set the mode of", target_, errno);
    const auto written = static_cast<off_t>(position_);
    if (expected_ > position_ && retry([&] { return ::ftruncate(file_.get(), written); }) != 0) {
        fail_with_errno("cut", target_, errno);
    }
    if (flush == Flush::to_device && retry([&] { return fsync(file_.get()); }) != 0) {
        fail_with_errno("flush", target_, errno);
    }
    put_in_place();
    file_.reset();
    if (flush == Flush::to_device) sync_directory(directory_of(target_));
}

void AtomicFile::put_in_place() {
    if (temporary_.empty()) {
        const int error = link_to(file_, target_);
        if (error == 0) return;
        if (error != EEXIST) fail_with_errno("name", target_, error);
        // A link cannot replace a file, a rename can.
        (void)lock_file(file_);
        take_temporary_name([&](const fs::path& name) { return link_to(file_, name); });
    }
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
        fail_with_errno("replace", target_, errno);
    }
    temporary_.clear();
}

}  // namespace sipo
