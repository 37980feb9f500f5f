// The blocks of ggml's quantised types. Scales are f16; codes lie in the order given at each.
#include "import/gguf/gguf_blocks.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace sipo {
namespace {

float half_at(const std::byte* at) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, at, sizeof bits);
    return f16_to_float(bits);
}

unsigned byte_at(const std::byte* at, std::size_t index) {
    return std::to_integer<unsigned>(at[index]);
}

float signed_at(const std::byte* at, std::size_t index) {
    return static_cast<float>(static_cast<std::int8_t>(at[index]));
}

// scale, 32 signed bytes: w = scale · code.
void dequantize_q8_0(const std::byte* block, float* values) {
    const float scale = half_at(block);
    for (std::size_t i = 0; i < 32; ++i) values[i] = scale * signed_at(block + 2, i);
}

// Eight scales and eight offsets of 6 bits each in 12 bytes: of the first four the low 6 bits of a
// byte; of the last four a half byte, its upper two bits left over from the first.
struct ScaleAndOffset {
    unsigned scale;
    unsigned offset;
};

ScaleAndOffset six_bits(const std::byte* packed, std::size_t part) {
    if (part < 4) return {byte_at(packed, part) & 63U, byte_at(packed, part + 4) & 63U};
    const unsigned halves = byte_at(packed, part + 4);
    return {(halves & 15U) | (byte_at(packed, part - 4) >> 6U) << 4U,
            (halves >> 4U) | (byte_at(packed, part) >> 6U) << 4U};
}

// Two scales (of the scales, of the offsets), 12 bytes of those, 128 bytes of codes: eight parts of
// 32 weights, two in the low and the high halves of the same 32 bytes. w = scale · code − offset.
void dequantize_q4_k(const std::byte* block, float* values) {
    const float scales = half_at(block);
    const float offsets = half_at(block + 2);
    for (std::size_t part = 0; part < 8; ++part) {
        const ScaleAndOffset own = six_bits(block + 4, part);
        const float scale = scales * static_cast<float>(own.scale);
        const float offset = offsets * static_cast<float>(own.offset);
        const std::byte* codes = block + 16 + part / 2 * 32;
        const unsigned shift = part % 2 == 0 ? 0 : 4;
        for (std::size_t i = 0; i < 32; ++i) {
            const unsigned code = (byte_at(codes, i) >> shift) & 15U;
            values[part * 32 + i] = scale * static_cast<float>(code) - offset;
        }
    }
}

// 128 bytes of low halves, 64 of upper two bits, 16 signed scales, a scale of those: two times four
// runs of 32 weights, which share bytes with the run 64 (low halves) or 32 (upper bits) further.
// w = scale · (code − 32), a scale for 16 weights.
void dequantize_q6_k(const std::byte* block, float* values) {
    const float scale = half_at(block + 208);
    for (std::size_t i = 0; i < 256; ++i) {
        const std::size_t half = i / 128;
        const std::size_t run = i % 128 / 32;
        const std::size_t lane = i % 32;
        const unsigned low = byte_at(block + half * 64, run % 2 * 32 + lane) >> (run / 2 * 4);
        const unsigned high = byte_at(block + 128 + half * 32, lane) >> (run * 2);
        const int code = static_cast<int>((low & 15U) | (high & 3U) << 4U) - 32;
        values[i] = scale * signed_at(block + 192, i / 16) * static_cast<float>(code);
    }
}

constexpr std::array types = {
    GgmlType{0, "F32", 1, 4, DType::f32, nullptr},
    GgmlType{1, "F16", 1, 2, DType::f16, nullptr},
    GgmlType{30, "BF16", 1, 2, DType::bf16, nullptr},
    GgmlType{8, "Q8_0", 32, 34, std::nullopt, &dequantize_q8_0},
    GgmlType{12, "Q4_K", 256, 144, std::nullopt, &dequantize_q4_k},
    GgmlType{14, "Q6_K", 256, 210, std::nullopt, &dequantize_q6_k},
};

}  // namespace

const GgmlType* find_ggml_type(std::uint32_t id) {
    const auto* const found = std::find_if(types.begin(), types.end(),
                                           [id](const GgmlType& type) { return type.id == id; });
    return found == types.end() ? nullptr : &*found;
}

std::string ggml_type_names() {
    std::string names;
    for (const GgmlType& type : types) names.append(names.empty() ? "" : ", ").append(type.name);
    return names;
}

std::vector<float> dequantize(const GgmlType& type, std::span<const std::byte> data) {
    const auto block_bytes = static_cast<std::size_t>(type.block_bytes);
    const auto block_elements = static_cast<std::size_t>(type.block_elements);
    const std::size_t blocks = data.size() / block_bytes;
    std::vector<float> values(blocks * block_elements);
    for (std::size_t i = 0; i < blocks; ++i) {
        type.dequantize(data.data() + i * block_bytes, values.data() + i * block_elements);
    }
    return values;
}

}  // namespace sipo
