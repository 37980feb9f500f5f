// Element types of stored tensors and the conversions between them.
//
// q8 and q4 are block-quantised (base/quant.hpp): a row takes whole blocks, so sizes are asked of
// row_bytes(), never of an element.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/quant.hpp"

namespace sipo {

enum class DType : std::uint8_t { f32 = 0, bf16 = 1, f16 = 2, q8 = 3, q4 = 4 };

[[nodiscard]] constexpr bool is_quantised(DType type) {
    return type == DType::q8 || type == DType::q4;
}

// Bytes of an element of a type that is not quantised.
[[nodiscard]] constexpr std::size_t dtype_size(DType type) { return type == DType::f32 ? 4 : 2; }

// Byte planes an element splits into; quantised blocks do not.
[[nodiscard]] constexpr std::size_t plane_count(DType type) {
    return is_quantised(type) ? 1 : dtype_size(type);
}

inline constexpr std::int64_t max_row_elements = std::int64_t{1} << 56;

// Bytes of a row of `cols` elements, at most max_row_elements.
[[nodiscard]] constexpr std::int64_t row_bytes(DType type, std::int64_t cols) {
    const std::int64_t blocks = (cols + quant_block - 1) / quant_block;
    switch (type) {
        case DType::q8: return blocks * std::int64_t{sizeof(BlockQ8)};
        case DType::q4: return blocks * std::int64_t{sizeof(BlockQ4)};
        default: return cols * static_cast<std::int64_t>(dtype_size(type));
    }
}

[[nodiscard]] constexpr const char* dtype_name(DType type) {
    switch (type) {
        case DType::f32: return "f32";
        case DType::bf16: return "bf16";
        case DType::f16: return "f16";
        case DType::q8: return "q8";
        case DType::q4: return "q4";
    }
    return "?";
}

[[nodiscard]] inline float bf16_to_float(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Round to nearest even; a NaN stays a NaN.
[[nodiscard]] inline std::uint16_t float_to_bf16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

[[nodiscard]] inline float f16_to_float(std::uint16_t bits) {
    const std::uint32_t sign = (bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1fU;
    const std::uint32_t mantissa = bits & 0x3ffU;
    if (exponent == 0x1fU) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
    if (exponent != 0)
        return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;  // zero or subnormal
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

}  // namespace sipo
