// The table of this instruction set.
#include "kernels.hpp"

namespace sipo::cpu {

#define SIPO_TEXT_OF(name) #name
#define SIPO_TEXT(name) SIPO_TEXT_OF(name)

namespace SIPO_ISA {

// Constant-initialised: nothing of this file may run before the instruction set is known to be
// there.
extern const KernelTable table;
constinit const KernelTable table{
    .name = SIPO_TEXT(SIPO_ISA),
    .panel_f32 = panel_f32,
    .panel_bf16 = panel_bf16,
    .panel_quant = panel_quant,
    .scan_block = width,
    .pack_f32 = pack_f32,
    .pack_bf16 = pack_bf16,
    .matmul_f32 = matmul_f32,
    .matmul_bf16 = matmul_bf16,
    .pack_q8 = pack_q8,
    .pack_q4 = pack_q4,
    .panel_bytes_q8 = panel_bytes_q8,
    .panel_bytes_q4 = panel_bytes_q4,
    .matmul_q8 = matmul_q8,
    .matmul_q4 = matmul_q4,
    .quantize_row = quantize_row,
    .to_bf16 = to_bf16,
    .add = add,
    .rms_norm = rms_norm,
    .conv_silu = conv_silu,
    .softplus = softplus,
    .norm2 = norm2,
    .log_sum_exp = log_sum_exp,
    .selective_scan = selective_scan,
    .head_scan = head_scan,
    .gated_norm = gated_norm,
};

}  // namespace SIPO_ISA
}  // namespace sipo::cpu
