// Reads safetensors files: eight bytes of header length, a JSON header, then the tensors' bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "import/source_tensor.hpp"

namespace sipo {

struct SafetensorsEntry {
    std::string dtype;  // as the file spells it: "BF16", "F32", ...
    std::vector<std::int64_t> shape;
    std::span<const std::byte> data;  // in the mapping, at any alignment
};

// One mapped file, checked as a whole before anything is handed out.
class SafetensorsFile {
public:
    explicit SafetensorsFile(const std::filesystem::path& path);

    [[nodiscard]] const std::map<std::string, SafetensorsEntry, std::less<>>& entries() const {
        return entries_;
    }

private:
    MappedFile file_;
    std::map<std::string, SafetensorsEntry, std::less<>> entries_;
};

// The tensors of such a file.
[[nodiscard]] SourceTensors open_safetensors(const std::filesystem::path& path);

}  // namespace sipo
