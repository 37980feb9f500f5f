// The backends that a test program judges. The program links one file that names them:
// cpu_subject.cpp (every instruction set) or tests/gpu/device_subject.cpp.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.hpp"

namespace sipo::parity {

// How far a result may be from the expected one, relative to it or to the root mean square of all.
struct Tolerances {
    double elementwise;  // short sums and one exponential
    double product;
    double quantised_product;
    double scan;
};

struct Subject {
    backend::BackendPtr backend;     // null: this machine has none
    DType activations = DType::f32;  // how matrices of tokens are kept
    Tolerances tolerances{};
    // Whether results are the same bits however a prompt is cut or sequences are put together.
    bool same_bits_however_cut = true;
};

[[nodiscard]] const std::vector<std::string>& subject_names();
[[nodiscard]] Subject make_subject(const std::string& name);

}  // namespace sipo::parity
