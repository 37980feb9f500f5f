// A tensor of a checkpoint, whatever kind of file it lies in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.hpp"

namespace sipo {

struct SourceTensor {
    std::string dtype;  // as the file spells it, for messages: "BF16", "q4_K"
    std::optional<DType>
        elements;  // what read() gives: f32, bf16 or f16; nothing: it cannot be read
    std::vector<std::int64_t> shape;
    std::uint64_t file_bytes = 0;
    // All elements, row-major, at any alignment: in the file's mapping, which this keeps alive, or
    // in `room`.
    std::function<std::span<const std::byte>(std::vector<std::byte>& room)> read;
};

using SourceTensors = std::map<std::string, SourceTensor, std::less<>>;

}  // namespace sipo
