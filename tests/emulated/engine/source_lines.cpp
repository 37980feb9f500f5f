#include "source_lines.hpp"

#include <stdio.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>

namespace emulator {
namespace {

constexpr int most_depth = 6;  // of functions inlined into each other

struct Close {
    void operator()(FILE* pipe) const { pclose(pipe); }
};
using Pipe = std::unique_ptr<FILE, Close>;

[[nodiscard]] bool read_line(FILE* pipe, std::string& line) {
    std::array<char, 1024> buffer;
    if (std::fgets(buffer.data(), buffer.size(), pipe) == nullptr) return false;
    line = buffer.data();
    return true;
}

[[nodiscard]] std::string without_scopes(const std::string& function) {
    std::string name = function.substr(0, function.find_first_of("(\n"));
    const auto colon = name.rfind("::");
    return colon == std::string::npos ? name : name.substr(colon + 2);
}

}  // namespace

// The program is not position independent (CMakeLists.txt), so that its addresses are those of its file.
std::string find_source_line(void* return_address) {
    std::ostringstream command;
    command << "addr2line -e '" << std::filesystem::read_symlink("/proc/self/exe").string()
            << "' -i -s -f -C " << static_cast<void*>(static_cast<char*>(return_address) - 1)
            << " 2>/dev/null";
    const Pipe pipe(popen(command.str().c_str(), "r"));
    std::string found, function, line;
    for (int depth = 0; pipe != nullptr && depth < most_depth; ++depth) {
        if (!read_line(pipe.get(), function) || !read_line(pipe.get(), line)) break;
        if (line.find("std_function") == 0) break;  // launch() calls the kernel there
        found += (found.empty() ? "" : " < ") + without_scopes(function) + " " +
                 line.substr(0, line.find_first_of(" \n"));
    }
    return found.empty() ? "?" : found;
}

}  // namespace emulator
