// Memory of the CPU backend: float32 rows on cache-line borders, and packed matrices.
#pragma once

#include <cstdint>
#include <span>

#include "arena.hpp"
#include "backend/backend.hpp"
#include "kernel_table.hpp"

namespace sipo::cpu {

class CpuBuffer final : public backend::Buffer {
public:
    CpuBuffer(std::int64_t rows, std::int64_t cols);
    [[nodiscard]] float* data() { return reinterpret_cast<float*>(memory_.get()); }
    [[nodiscard]] const float* data() const {
        return reinterpret_cast<const float*>(memory_.get());
    }

private:
    Memory memory_;
};

// A view with its pointer: element (r, c) is data[r * stride + c].
struct Span2d {
    float* data;
    std::ptrdiff_t stride;
    std::int64_t rows;
    std::int64_t cols;
    [[nodiscard]] float* row(std::int64_t r) const { return data + r * stride; }
};

[[nodiscard]] Span2d resolve(const backend::View& view);
[[nodiscard]] const float* values_of(const backend::Buffer& table);

// A matrix in panels, as the kernels of one table want it.
class CpuMatrix final : public backend::Matrix {
public:
    CpuMatrix(const KernelTable& kernels, std::int64_t rows, std::int64_t cols, DType type,
              std::span<const std::byte> values, Arena& arena);
    [[nodiscard]] DType type() const { return type_; }
    [[nodiscard]] std::int64_t panels() const { return panels_; }
    [[nodiscard]] std::int64_t bytes() const override { return panels_ * panel_bytes_; }
    [[nodiscard]] const float* f32() const { return reinterpret_cast<const float*>(memory_.get()); }
    [[nodiscard]] const std::uint16_t* bf16() const {
        return reinterpret_cast<const std::uint16_t*>(memory_.get());
    }
    [[nodiscard]] const std::uint8_t* codes() const {
        return reinterpret_cast<const std::uint8_t*>(memory_.get());
    }
    // Row `row`, unpacked: the embedding of a token.
    void read_row(std::int64_t row, float* out) const;

private:
    void pack(const KernelTable& kernels, std::span<const std::byte> values);
    void read_quantised_row(const std::uint8_t* panel, std::int64_t lane, float* out) const;

    DType type_;
    std::int64_t panel_;  // columns of the product a panel holds: rows of the matrix
    std::int64_t panels_;
    std::int64_t panel_bytes_;
    Memory memory_;
};

}  // namespace sipo::cpu
