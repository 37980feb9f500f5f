// The backends that a test program judges. The program links one file that names them:
// cpu_subject.cpp (every instruction set) or tests/gpu/device_subject.cpp.
#pragma once

#include <cstdint>
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

// A buffer in which that precision suffices. A backend interface without the parameter keeps f32.
template <typename Stream>
backend::BufferPtr allocate(Stream& stream, std::int64_t rows, std::int64_t cols, DType type) {
    if constexpr (requires { stream.allocate(rows, cols, type); }) {
        return stream.allocate(rows, cols, type);
    } else {
        return stream.allocate(rows, cols);
    }
}

}  // namespace sipo::parity
