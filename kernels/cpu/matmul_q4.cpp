// Matrix product with 4-bit codes: a vector of a panel has the codes of two steps, the even one in
// the low halves of its bytes and the odd one in the high halves.
#include "matmul_quant.hpp"

namespace sipo::cpu::SIPO_ISA {
namespace {

struct CodesQ4 {
    static constexpr std::int64_t scale_bytes = panel_quant * 4;  // scales, then offsets
    static constexpr std::int64_t bytes_a_block = scale_bytes + panel_quant * quant_block / 2;
    static constexpr bool has_offset = true;
    static constexpr std::int32_t bits = 4;
    static constexpr float zero_point = 0.0F;

    static SIPO_INLINE VecInt load(const std::uint8_t* block, std::int64_t step, std::int64_t vec) {
        typedef std::uint32_t Word __attribute__((vector_size(width * 4)));
        Word pairs;
        std::memcpy(&pairs, block + scale_bytes + (step / 2 * panel_vecs + vec) * width * 4,
                    sizeof pairs);
        if (step % 2 == 1) pairs >>= 4;
        return __builtin_bit_cast(VecInt, pairs & 0x0f0f0f0fU);
    }
};

}  // namespace

std::int64_t panel_bytes_q4(std::int64_t k_blocks) { return k_blocks * CodesQ4::bytes_a_block; }

void pack_q4(const BlockQ4* w, std::int64_t n, std::int64_t k_blocks, std::uint8_t* panels) {
    for (std::int64_t n0 = 0; n0 < n; n0 += panel_quant) {
        for (std::int64_t block = 0; block < k_blocks; ++block, panels += CodesQ4::bytes_a_block) {
            std::memset(panels, 0, static_cast<std::size_t>(CodesQ4::bytes_a_block));
            for (std::int64_t j = 0; j < panel_quant; ++j) {
                if (n0 + j >= n) continue;
                const BlockQ4& source = w[(n0 + j) * k_blocks + block];
                std::memcpy(panels + 2 * j, &source.scale, 2);
                std::memcpy(panels + 2 * (panel_quant + j), &source.offset, 2);
                for (std::int64_t i = 0; i < quant_block; ++i) {
                    const unsigned code = (source.codes[i / 2] >> (i % 2 * 4)) & 15U;
                    std::uint8_t& byte =
                        panels[CodesQ4::scale_bytes + (i / 8 * panel_quant + j) * 4 + i % 4];
                    byte = static_cast<std::uint8_t>(byte | code << (i / 4 % 2 * 4));
                }
            }
        }
    }
}

void matmul_q4(const QuantMatmulArgs& args) { matmul_quant<CodesQ4>(args); }

}  // namespace sipo::cpu::SIPO_ISA
