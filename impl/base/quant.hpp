// Block-quantised weights: `quant_block` neighbours of a row share a scale. A row whose length is
// no multiple of the block ends in a block padded with zeros.
//
// Scales and offsets are bf16, which every instruction set widens with a shift; the quantiser
// rounds them before it chooses the codes, so their rounding costs no accuracy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sipo {

inline constexpr std::int64_t quant_block = 32;

// w ≈ scale · codes[i], codes −127 .. 127.
struct BlockQ8 {
    std::uint16_t scale;
    std::int8_t codes[quant_block];
};
static_assert(sizeof(BlockQ8) == 34);

// w ≈ scale · code + offset, code 0 .. 15; code 2 i in the low half of byte i, 2 i + 1 in the high
// half.
struct BlockQ4 {
    std::uint16_t scale;
    std::uint16_t offset;
    std::uint8_t codes[quant_block / 2];
};
static_assert(sizeof(BlockQ4) == 20);

// Quantises one block. `values` holds up to quant_block weights; the rest counts as zero.
[[nodiscard]] BlockQ8 quantize_q8(std::span<const float> values);
// Searches scale and offset for the least squared error.
[[nodiscard]] BlockQ4 quantize_q4(std::span<const float> values);

void dequantize(const BlockQ8& block, std::span<float> values);
void dequantize(const BlockQ4& block, std::span<float> values);

}  // namespace sipo
