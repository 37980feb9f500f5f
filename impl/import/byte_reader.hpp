// Reads little-endian numbers and runs of bytes one after the other, never past the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.hpp"

namespace sipo {

class ByteReader {
public:
    // `source` names the bytes in messages.
    ByteReader(std::span<const std::byte> bytes, std::string source)
        : bytes_(bytes), source_(std::move(source)) {}

    [[nodiscard]] std::size_t position() const { return position_; }
    [[nodiscard]] std::size_t left() const { return bytes_.size() - position_; }
    [[nodiscard]] const std::string& source() const { return source_; }

    // Code::corrupt_file when fewer than `count` bytes are left.
    std::span<const std::byte> take(std::uint64_t count) {
        if (count > left()) {
            fail(Code::corrupt_file, source_, " ends inside what byte ", position_,
                 " begins: ", count, " bytes are due, ", left(), " are left");
        }
        const auto part = bytes_.subspan(position_, static_cast<std::size_t>(count));
        position_ += static_cast<std::size_t>(count);
        return part;
    }

    template <typename Number>
    Number number() {
        static_assert(std::is_arithmetic_v<Number>);
        Number value{};
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }

    std::string text(std::uint64_t count) {
        const auto bytes = take(count);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

private:
    std::span<const std::byte> bytes_;
    std::string source_;
    std::size_t position_ = 0;
};

}  // namespace sipo
