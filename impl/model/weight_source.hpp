// Reads tensors of a container into a backend's matrices and tables.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "format/container.hpp"

namespace sipo {

// The type that a matrix is held in: the one it is stored in, where something multiplies by it;
// precise: f32 whatever that is.
[[nodiscard]] constexpr DType held_type(DType stored, bool precise) {
    return stored == DType::f16 || precise ? DType::f32 : stored;
}

class WeightSource {
public:
    WeightSource(const Container& container, backend::Backend& backend)
        : container_(container), backend_(backend) {}

    // A matrix in the type it is stored in; precise: in f32 whatever that is.
    [[nodiscard]] backend::MatrixPtr matrix(const std::string& name, std::int64_t rows,
                                            std::int64_t cols, bool precise = false) const;
    [[nodiscard]] bool has(const std::string& name) const {
        return container_.find(name) != nullptr;
    }
    // A vector as a table [1, size].
    [[nodiscard]] backend::BufferPtr vector(const std::string& name, std::int64_t size) const;
    // A table [1, size] of ones, for a norm that has no weights.
    [[nodiscard]] backend::BufferPtr ones(std::int64_t size) const;
    // [rows, cols] stored, [cols, rows] in the table.
    [[nodiscard]] backend::BufferPtr transposed(const std::string& name, std::int64_t rows,
                                                std::int64_t cols) const;
    // A = -exp(A_log) as it lies in the checkpoint: Mamba-1 [d_inner, d_state], Mamba-2 [n_heads].
    [[nodiscard]] std::vector<float> negative_exp(const std::string& name,
                                                  const std::vector<std::int64_t>& shape) const;
    // The same values as a table: [rows, cols] turned to [cols, rows].
    [[nodiscard]] backend::BufferPtr transposed_table(std::span<const float> values,
                                                      std::int64_t rows, std::int64_t cols) const;

private:
    [[nodiscard]] std::vector<float> floats(const std::string& name,
                                            const std::vector<std::int64_t>& shape) const;
    [[nodiscard]] std::vector<std::byte> bytes(const TensorEntry& entry) const;

    const Container& container_;
    backend::Backend& backend_;
};

}  // namespace sipo
