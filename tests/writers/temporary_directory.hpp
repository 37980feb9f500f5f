// A place of the test's own: nothing else of the machine lies beside what it writes there.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace sipo::writers {

// A directory of this process, empty at first and removed with the object.
class TemporaryDirectory {
public:
    explicit TemporaryDirectory(const std::string& name,
                                const std::filesystem::path& parent = testing::TempDir())
        : path_(parent / ("sipo_" + name + "." + std::to_string(getpid()))) {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directories(path_);
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace sipo::writers
