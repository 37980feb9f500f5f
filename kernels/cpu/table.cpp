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
    SIPO_TEXT(SIPO_ISA), panel_f32,      panel_bf16, width,      pack_f32,  pack_bf16, matmul_f32,
    matmul_bf16,         to_bf16,        add,        rms_norm,   conv_silu, softplus,  norm2,
    log_sum_exp,         selective_scan, head_scan,  gated_norm,
};

}  // namespace SIPO_ISA
}  // namespace sipo::cpu
