// Builds the bytes of a file.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>

namespace sipo::writers {

template <typename Number>
void append(std::string& out, Number value) {
    static_assert(std::is_arithmetic_v<Number>);
    const std::size_t at = out.size();
    out.resize(at + sizeof value);
    std::memcpy(out.data() + at, &value, sizeof value);
}

inline void pad_to(std::string& out, std::size_t alignment) {
    out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
}

inline void put_file(const std::filesystem::path& path, std::string_view bytes) {
    std::filesystem::remove(
        path);  // some file systems flush a file that is truncated and written anew
    std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace sipo::writers
