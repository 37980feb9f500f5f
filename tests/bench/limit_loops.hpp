// Loops that do one thing as fast as an instruction set can: what the kernels are held against.
#pragma once

#include <cstdint>

namespace sipo::cpu {

// A loop in registers, and the operations of a round: lanes, or pairs of bytes. The value is of no
// use but to keep the loop.
struct OperationLoop {
    double operations_a_round;
    float (*run)(std::int64_t rounds);
};

struct LimitLoops {
    OperationLoop multiply_adds;  // of float32
    OperationLoop bf16_products;  // multiply-adds as well
    OperationLoop byte_products;  // of 4-bit codes and signed bytes
    OperationLoop exponentials;
    float (*read)(const float* from, std::int64_t count);  // count: a multiple of 64
    void (*copy)(const float* from, std::int64_t count, float* to);
};

// The loops for the table of kernels that is called `isa`.
[[nodiscard]] const LimitLoops& select_limit_loops(const char* isa);

}  // namespace sipo::cpu
