// Matrix product with 8-bit codes. Stored codes are signed; a panel has them 128 higher, unsigned,
// as VPDPBUSD wants its first factor.
#include "matmul_quant.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

struct CodesQ8 {
    static constexpr std::int64_t scale_bytes = panel_quant * 2;
    static constexpr std::int64_t bytes_a_block = scale_bytes + panel_quant * quant_block;
    static constexpr bool has_offset = false;
    static constexpr float zero_point = 128.0F;

    static SIPO_INLINE VecInt load(const std::uint8_t* block, std::int64_t step, std::int64_t vec) {
        VecInt codes;
        std::memcpy(&codes, block + scale_bytes + (step * panel_vecs + vec) * width * 4,
                    sizeof codes);
        return codes;
    }
};

}  // namespace

std::int64_t panel_bytes_q8(std::int64_t k_blocks) { return k_blocks * CodesQ8::bytes_a_block; }

void pack_q8(const BlockQ8* w, std::int64_t n, std::int64_t k_blocks, std::uint8_t* panels) {
    for (std::int64_t n0 = 0; n0 < n; n0 += panel_quant) {
        for (std::int64_t block = 0; block < k_blocks; ++block, panels += CodesQ8::bytes_a_block) {
            for (std::int64_t j = 0; j < panel_quant; ++j) {
                BlockQ8 source{};
                if (n0 + j < n) source = w[(n0 + j) * k_blocks + block];
                std::memcpy(panels + 2 * j, &source.scale, 2);
                for (std::int64_t i = 0; i < quant_block; ++i) {
                    panels[CodesQ8::scale_bytes + (i / 4 * panel_quant + j) * 4 + i % 4] =
                        static_cast<std::uint8_t>(source.codes[i] + 128);
                }
            }
        }
    }
}

void matmul_q8(const QuantMatmulArgs& args) { matmul_quant<CodesQ8>(args); }

void quantize_row(const float* in, std::int64_t count, std::int8_t* codes, QuantInput* blocks) {
    for (std::int64_t first = 0; first < count; first += quant_block) {
        const std::int64_t rest = count - first < quant_block ? count - first : quant_block;
        float values[quant_block] = {};
        std::memcpy(values, in + first, static_cast<std::size_t>(rest) * sizeof(float));
        Vec largest{};
        for (std::int64_t i = 0; i < quant_block; i += width) {
            const Vec v = load(values + i);
            largest = max(largest, max(v, -v));
        }
        float lanes[width];
        store(lanes, largest);
        float top = 0.0F;
        for (const float lane : lanes) top = lane > top ? lane : top;
        const float scale = top / 127.0F;
        const float inverse = top > 0.0F ? 127.0F / top : 0.0F;
        // Adding 1.5 · 2^23 rounds to the nearest whole number, which then lies in the low bits.
        const Vec shift = splat(0x1.8p23F);
        std::int32_t sum = 0;
        for (std::int64_t i = 0; i < quant_block; i += width) {
            // Rounded before the addition on every machine alike: no fused multiply-add.
            const Vec shifted = load(values + i) * splat(inverse) + shift;
            std::int32_t bits[width];
            store_bits(bits, shifted);
            for (std::int64_t j = 0; j < width; ++j) {
                const std::int32_t code = bits[j] - 0x4b400000;
                codes[first + i + j] = static_cast<std::int8_t>(code);
                sum += code;
            }
        }
        *blocks++ = {scale, scale * static_cast<float>(sum)};
    }
}

}  // namespace sipo::cpu::SIPO_ISA
