#include "base/file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

class Files : public testing::Test {
protected:
    [[nodiscard]] std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
    }
    static void put(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }
    static std::string get(const fs::path& path) { return read_text_file(path, 1000); }

    static void replace(const fs::path& path, std::string_view text) {
        AtomicFile file(path);
        file.write(bytes_of(text));
        file.commit();
    }

    template <typename Action>
    static void expect_error(Code code, const std::string& part, const Action& action) {
        try {
            action();
            FAIL() << "no error";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), code) << error.what();
            EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
        }
    }

    writers::TemporaryDirectory temporary_{"file_test"};
    fs::path directory_ = temporary_.path();
};

TEST_F(Files, MapsWhatWasWritten) {
    const fs::path path = directory_ / "a";
    put(path, "hello");
    MappedFile file(path);
    ASSERT_EQ(file.size(), 5U);
    EXPECT_EQ(static_cast<char>(file.bytes()[4]), 'o');
    MappedFile moved = std::move(file);
    EXPECT_EQ(moved.size(), 5U);
}

TEST_F(Files, MapsAnEmptyFile) {
    put(directory_ / "empty", "");
    EXPECT_EQ(MappedFile(directory_ / "empty").size(), 0U);
    EXPECT_EQ(get(directory_ / "empty"), "");
}

// Read while they are few, mapped when there are more: the same.
TEST_F(Files, GivesTheBytesOfAFileReadOrMapped) {
    const fs::path path = directory_ / "file";
    for (const std::string& text : {std::string(), std::string("x"), std::string(300000, 'y')}) {
        replace(path, text);
        for (const std::size_t most : {std::size_t{0}, text.size(), text.size() + 1}) {
            const FileBytes file(path, most);
            EXPECT_TRUE(std::ranges::equal(file.bytes(), bytes_of(text)));
        }
    }
}

// What has been read stays as it was when the file is cut short in place.
TEST_F(Files, KeepsTheBytesOfAFileThatIsCutShort) {
    const fs::path path = directory_ / "file";
    const std::string text(300000, 'z');
    replace(path, text);
    const FileBytes file(path, text.size());
    fs::resize_file(path, 10);
    EXPECT_TRUE(std::ranges::equal(file.bytes(), bytes_of(text)));
}

TEST_F(Files, RefusesWhatIsNoRegularFileWithoutBlocking) {
    expect_error(Code::io_error, "directory", [&] { MappedFile{directory_}; });
    const fs::path fifo = directory_ / "fifo";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    expect_error(Code::io_error, "FIFO", [&] { MappedFile{fifo}; });
    expect_error(Code::io_error, "FIFO", [&] { FileBytes(fifo, 100); });
    expect_error(Code::io_error, "FIFO", [&] { AtomicFile{fifo}; });
    expect_error(Code::io_error, "device", [&] { AtomicFile{"/dev/null"}; });
    expect_error(Code::io_error, "directory", [&] { AtomicFile{directory_}; });
}

TEST_F(Files, NamesAMissingFile) {
    expect_error(Code::not_found, "nothing-here", [&] { MappedFile{directory_ / "nothing-here"}; });
    expect_error(Code::not_found, "nothing-here",
                 [&] { FileBytes(directory_ / "nothing-here", 1); });
    expect_error(Code::not_found, "No such file", [&] { AtomicFile{directory_ / "no" / "file"}; });
}

TEST_F(Files, RefusesTextAboveTheLimit) {
    put(directory_ / "long", "12345");
    expect_error(Code::unsupported, "limit is 4",
                 [&] { static_cast<void>(read_text_file(directory_ / "long", 4)); });
}

TEST_F(Files, ReplacesOnCommitOnly) {
    const fs::path path = directory_ / "a";
    put(path, "old");
    {
        AtomicFile file(path);
        file.write(bytes_of("new text"));
        EXPECT_EQ(get(path), "old");
    }
    EXPECT_EQ(get(path), "old");
    EXPECT_EQ(entries(), 1U);
    replace(path, "new text");
    EXPECT_EQ(get(path), "new text");
    EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, PadsAndPatches) {
    const fs::path path = directory_ / "a";
    AtomicFile file(path);
    file.write(bytes_of("abc"));
    file.pad_to(100);
    EXPECT_EQ(file.position(), 100U);
    file.pad_to(100);
    EXPECT_EQ(file.position(), 100U);
    file.patch(1, bytes_of("XY"));
    EXPECT_THROW(file.patch(99, bytes_of("XY")), Error);
    file.commit();
    EXPECT_EQ(get(path), "aXY" + std::string(97, '\0'));
}

TEST_F(Files, HoldsWhatWasWrittenHoweverItWasCutAndWhateverWasExpected) {
    std::string text(5'000'001, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 >> 7);
    for (const std::uint64_t expected : {0UL, 10UL, 5'000'001UL, 8'000'000UL, ~0UL}) {
        const fs::path path = directory_ / "a";
        AtomicFile file(path);
        file.expect(expected);
        for (std::size_t at = 0, piece = 1; at < text.size(); at += piece, piece = 3 * piece + 5) {
            const auto next = std::string_view(text).substr(at, piece);
            file.write(std::as_bytes(std::span(next)));
        }
        EXPECT_EQ(file.position(), text.size());
        file.patch(2, bytes_of("patched"));
        file.commit(Flush::to_system);
        EXPECT_TRUE(read_text_file(path, text.size()) ==
                    text.substr(0, 2) + "patched" + text.substr(9));
    }
}

TEST_F(Files, KeepsTheModeOfTheReplacedFile) {
    const fs::path path = directory_ / "a";
    put(path, "old");
    fs::permissions(path, static_cast<fs::perms>(0640));
    replace(path, "new");
    EXPECT_EQ(fs::status(path).permissions(), static_cast<fs::perms>(0640));
}

TEST_F(Files, GivesANewFileTheModeOfTheUmask) {
    const mode_t before = umask(027);
    replace(directory_ / "a", "new");
    umask(before);
    EXPECT_EQ(fs::status(directory_ / "a").permissions(), static_cast<fs::perms>(0640));
}

TEST_F(Files, ReplacesTheFileALinkPointsTo) {
    fs::create_directory(directory_ / "sub");
    put(directory_ / "sub" / "real", "old");
    fs::create_symlink("sub/real", directory_ / "link");
    fs::create_symlink("link", directory_ / "link2");
    replace(directory_ / "link2", "new");
    EXPECT_TRUE(fs::is_symlink(directory_ / "link2"));
    EXPECT_TRUE(fs::is_symlink(directory_ / "link"));
    EXPECT_EQ(get(directory_ / "sub" / "real"), "new");
}

TEST_F(Files, CreatesTheFileADanglingLinkPointsTo) {
    fs::create_symlink("target", directory_ / "link");
    replace(directory_ / "link", "new");
    EXPECT_TRUE(fs::is_symlink(directory_ / "link"));
    EXPECT_EQ(get(directory_ / "target"), "new");
}

TEST_F(Files, RefusesALoopOfLinks) {
    fs::create_symlink("b", directory_ / "a");
    fs::create_symlink("a", directory_ / "b");
    expect_error(Code::io_error, "Too many levels", [&] { AtomicFile{directory_ / "a"}; });
}

TEST_F(Files, WritesBesideANameOfFullLength) {
    const fs::path path = directory_ / std::string(255, 'n');
    replace(path, "new");
    EXPECT_EQ(get(path), "new");
}

// A limit on the file's size acts as a full device does: a short write, then an error.
TEST_F(Files, ReportsAWriteThatFailsAndLeavesNothing) {
    put(directory_ / "a", "old");
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit small = before;
    small.rlim_cur = 4096;
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_error(Code::io_error, "cannot write", [&] {
        AtomicFile file(directory_ / "a");
        file.write(std::vector<std::byte>(10000));
        file.commit();
    });
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    EXPECT_EQ(get(directory_ / "a"), "old");
    EXPECT_EQ(entries(), 1U);
}

}  // namespace
}  // namespace sipo
