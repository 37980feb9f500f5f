// Matrix product with 8-bit codes. Stored codes are signed; a panel has them 128 higher, unsigned,
// as VPDPBUSD wants its first factor.
#include "matmul_quant.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

struct CodesQ8 {
    static constexpr std::int64_t scale_bytes = panel_quant * 2;
    static constexpr std::int64_t bytes_a_block = scale_bytes + panel_quant * quant_block;
    static constexpr bool has_offset = false;
    static constexpr std::int32_t bits = 8;
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
    constexpr std::int64_t vecs = quant_block / width;
    typedef std::int8_t Bytes __attribute__((vector_size(width)));
    // Adding 1.5 · 2^23 rounds to the nearest whole number, which then lies in the low bits.
    const Vec shift = splat(0x1.8p23F);
    for (std::int64_t first = 0; first < count; first += quant_block) {
        const std::int64_t rest = count - first < quant_block ? count - first : quant_block;
        Vec values[vecs] = {};
        if (rest == quant_block) {
            std::memcpy(values, in + first, sizeof values);
        } else {
            std::memcpy(values, in + first, static_cast<std::size_t>(rest) * sizeof(float));
        }
        Vec largest{};
        for (const Vec v : values) largest = max(max(v, -v), largest);
        const float top = largest_lane(largest);
        const float inverse = top > 0.0F ? 127.0F / top : 0.0F;
        VecInt total{};
        for (std::int64_t v = 0; v < vecs; ++v) {
            // Rounded before the addition on every machine alike: no fused multiply-add.
            const Vec shifted = values[v] * splat(inverse) + shift;
            const VecInt code = __builtin_bit_cast(VecInt, shifted) - 0x4b400000;
            const Bytes bytes = __builtin_convertvector(code, Bytes);
            std::memcpy(codes + first + v * width, &bytes, sizeof bytes);
            total += code;
        }
        const float scale = top / 127.0F;
        *blocks++ = {scale, scale * static_cast<float>(sum(total))};
    }
}

}  // namespace sipo::cpu::SIPO_ISA
