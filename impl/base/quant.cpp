#include "base/quant.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/dtype.hpp"

namespace sipo {
namespace {

using Block = std::array<float, quant_block>;

Block padded(std::span<const float> values) {
    Block block{};
    std::copy(values.begin(), values.end(), block.begin());
    return block;
}

// The least bf16 that is not below `value` ≥ 0: with it as a scale no code is out of range.
std::uint16_t bf16_at_least(float value) {
    std::uint16_t bits = float_to_bf16(value);
    if (bf16_to_float(bits) < value) ++bits;
    return bits;
}

struct Line {
    float scale;
    float offset;
};

constexpr float most_q4 = 15.0F;

float code_of(float value, const Line& line) {
    if (line.scale == 0.0F) return 0.0F;
    return std::clamp(std::round((value - line.offset) / line.scale), 0.0F, most_q4);
}

float squared_error(const Block& block, const Line& line) {
    float sum = 0.0F;
    for (const float value : block) {
        const float error = value - (line.offset + line.scale * code_of(value, line));
        sum += error * error;
    }
    return sum;
}

Line rounded(const Line& line) {
    return {bf16_to_float(float_to_bf16(line.scale)), bf16_to_float(float_to_bf16(line.offset))};
}

// The line of least squares through (code, value) for the codes that `line` gives.
Line refit(const Block& block, const Line& line) {
    double n = 0.0;
    double code_sum = 0.0;
    double code_squares = 0.0;
    double value_sum = 0.0;
    double products = 0.0;
    for (const float value : block) {
        const auto code = static_cast<double>(code_of(value, line));
        n += 1.0;
        code_sum += code;
        code_squares += code * code;
        value_sum += static_cast<double>(value);
        products += code * static_cast<double>(value);
    }
    const double spread = n * code_squares - code_sum * code_sum;
    if (spread <= 0.0) return line;
    const double scale = (n * products - code_sum * value_sum) / spread;
    return {static_cast<float>(scale), static_cast<float>((value_sum - scale * code_sum) / n)};
}

}  // namespace

BlockQ8 quantize_q8(std::span<const float> values) {
    const Block block = padded(values);
    float largest = 0.0F;
    for (const float value : block) largest = std::max(largest, std::abs(value));
    BlockQ8 result{};
    result.scale = bf16_at_least(largest / 127.0F);
    const float scale = bf16_to_float(result.scale);
    for (std::size_t i = 0; i < block.size(); ++i) {
        result.codes[i] =
            scale == 0.0F ? std::int8_t{0} : static_cast<std::int8_t>(std::round(block[i] / scale));
    }
    return result;
}

BlockQ4 quantize_q4(std::span<const float> values) {
    const Block block = padded(values);
    const auto [low, high] = std::minmax_element(block.begin(), block.end());
    Line best = rounded({(*high - *low) / most_q4, *low});
    float best_error = squared_error(block, best);
    // Narrower ranges clip the extremes and serve the rest better; each is refined by least
    // squares.
    for (const float share : {1.0F, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F, 0.7F}) {
        const float middle = 0.5F * (*high + *low);
        const float half = 0.5F * share * (*high - *low);
        Line line{2.0F * half / most_q4, middle - half};
        for (int round = 0; round < 4; ++round) {
            const Line candidate = rounded(line);
            const float error = squared_error(block, candidate);
            if (error < best_error) {
                best_error = error;
                best = candidate;
            }
            line = refit(block, candidate);
        }
    }
    BlockQ4 result{};
    result.scale = float_to_bf16(best.scale);
    result.offset = float_to_bf16(best.offset);
    for (std::size_t i = 0; i < block.size(); ++i) {
        const auto code = static_cast<unsigned>(code_of(block[i], best));
        result.codes[i / 2] = static_cast<std::uint8_t>(result.codes[i / 2] | code << (i % 2 * 4));
    }
    return result;
}

void dequantize(const BlockQ8& block, std::span<float> values) {
    const float scale = bf16_to_float(block.scale);
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = scale * static_cast<float>(block.codes[i]);
    }
}

void dequantize(const BlockQ4& block, std::span<float> values) {
    const float scale = bf16_to_float(block.scale);
    const float offset = bf16_to_float(block.offset);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const unsigned code = (block.codes[i / 2] >> (i % 2 * 4)) & 15U;
        values[i] = offset + scale * static_cast<float>(code);
    }
}

}  // namespace sipo
