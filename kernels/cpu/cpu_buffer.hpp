// Memory of the CPU backend: float32 rows on cache-line borders, and packed matrices.
#pragma once

#include <cstdint>
#include <span>

#include "arena.hpp"
#include "backend/backend.hpp"
#include "kernel_table.hpp"

namespace sipo::cpu {

// The objects that hold a buffer or a matrix, as the system's allocator rounds them up.
inline constexpr std::int64_t holder_bytes = 128;

class CpuBuffer final : public backend::Buffer {
public:
    // What one takes.
    [[nodiscard]] static std::int64_t bytes(std::int64_t rows, std::int64_t cols);

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

// How the kernels of one table want a matrix: in panels.
struct Panels {
    Panels(const KernelTable& kernels, const backend::MatrixSize& size);
    [[nodiscard]] std::int64_t bytes() const;

    std::int64_t columns;  // of the product that a panel holds: rows of the matrix
    std::int64_t count;
    std::int64_t panel_bytes;
};

class CpuMatrix final : public backend::Matrix {
public:
    CpuMatrix(const KernelTable& kernels, std::int64_t rows, std::int64_t cols, DType type,
              std::span<const std::byte> values, Arena& arena);
    [[nodiscard]] DType type() const { return type_; }
    [[nodiscard]] std::int64_t panels() const { return panels_.count; }
    [[nodiscard]] std::int64_t bytes() const override { return panels_.bytes(); }
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
    Panels panels_;
    Memory memory_;
};

}  // namespace sipo::cpu
