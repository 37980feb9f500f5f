// GGUF, ggml's file of metadata and tensors, versions 2 and 3, little-endian.
// (ggml's docs/gguf.md describes it.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "import/gguf/gguf_blocks.hpp"

namespace sipo {

enum class GgufType : std::uint32_t {
    u8 = 0,
    i8 = 1,
    u16 = 2,
    i16 = 3,
    u32 = 4,
    i32 = 5,
    f32 = 6,
    boolean = 7,
    text = 8,
    array = 9,
    u64 = 10,
    i64 = 11,
    f64 = 12,
};

// A metadata value, still as it lies in the file.
struct GgufValue {
    GgufType type = GgufType::u8;  // of an element, when it is an array
    bool is_array = false;
    std::uint64_t count = 1;
    std::span<const std::byte> bytes;  // checked to hold `count` of that type
};

struct GgufTensor {
    const GgmlType* type = nullptr;
    std::vector<std::int64_t> shape;  // slowest dimension first, as in PyTorch
    std::span<const std::byte> data;
};

// One mapped file, checked as a whole before anything is handed out.
class GgufFile {
public:
    explicit GgufFile(const std::filesystem::path& path);

    [[nodiscard]] const std::string& source() const { return source_; }
    [[nodiscard]] const std::map<std::string, GgufTensor, std::less<>>& tensors() const {
        return tensors_;
    }

    // Metadata by key. A value that is absent is the fallback, or Code::corrupt_file without one;
    // so is one of another type.
    [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }
    [[nodiscard]] std::int64_t integer(std::string_view key) const;
    [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t fallback) const;
    [[nodiscard]] double number(std::string_view key) const;
    [[nodiscard]] bool boolean(std::string_view key, bool fallback) const;
    [[nodiscard]] std::string text(std::string_view key) const;
    [[nodiscard]] std::string text(std::string_view key, const std::string& fallback) const;
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
    [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key) const;

private:
    [[nodiscard]] const GgufValue& at(std::string_view key) const;
    [[nodiscard]] const GgufValue& scalar(std::string_view key, const char* wanted) const;
    [[noreturn]] void wrong_type(std::string_view key, const char* wanted) const;

    MappedFile file_;
    std::string source_;
    std::map<std::string, GgufValue, std::less<>> values_;
    std::map<std::string, GgufTensor, std::less<>> tensors_;
};

}  // namespace sipo
