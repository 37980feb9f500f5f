// The element types of ggml's tensors, as far as they are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.hpp"

namespace sipo {

struct GgmlType {
    std::uint32_t id;
    const char* name;
    std::int64_t block_elements;  // neighbours in a row that are stored together
    std::int64_t block_bytes;
    std::optional<DType> plain;  // when the elements are stored as they are
    // One block to block_elements floats; null when plain.
    void (*dequantize)(const std::byte* block, float* values);
};

// Null for a type that is not read.
[[nodiscard]] const GgmlType* find_ggml_type(std::uint32_t id);

// "F32, F16, ..."
[[nodiscard]] std::string ggml_type_names();

// Whole blocks of `type` as f32.
[[nodiscard]] std::vector<float> dequantize(const GgmlType& type, std::span<const std::byte> data);

}  // namespace sipo
