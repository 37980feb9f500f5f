// Memory of the CPU backend: float32 rows on cache-line borders, and packed matrices.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "backend/backend.hpp"

namespace sipo::cpu {

struct FreeDeleter {
    void operator()(void* memory) const noexcept { std::free(memory); }
};

// Zero-filled, 64-byte aligned; large blocks on huge pages where the system gives them.
// Throws Code::out_of_memory naming the size, also when the machine could never hold it.
[[nodiscard]] std::unique_ptr<std::byte[], FreeDeleter> allocate_bytes(std::int64_t bytes);

class CpuBuffer final : public backend::Buffer {
public:
    CpuBuffer(std::int64_t rows, std::int64_t cols);
    [[nodiscard]] float* data() { return reinterpret_cast<float*>(memory_.get()); }
    [[nodiscard]] const float* data() const {
        return reinterpret_cast<const float*>(memory_.get());
    }

private:
    std::unique_ptr<std::byte[], FreeDeleter> memory_;
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

class CpuMatrix final : public backend::Matrix {
public:
    CpuMatrix(std::int64_t rows, std::int64_t cols, DType type, std::int64_t panel);
    [[nodiscard]] DType type() const { return type_; }
    [[nodiscard]] std::int64_t panel() const { return panel_; }
    [[nodiscard]] std::int64_t panels() const;
    [[nodiscard]] std::int64_t bytes() const override;
    [[nodiscard]] float* f32() const { return reinterpret_cast<float*>(memory_.get()); }
    [[nodiscard]] std::uint16_t* bf16() const {
        return reinterpret_cast<std::uint16_t*>(memory_.get());
    }
    // Row `row`, unpacked: the embedding of a token.
    void read_row(std::int64_t row, float* out) const;

private:
    [[nodiscard]] std::int64_t packed_cols() const;

    DType type_;
    std::int64_t panel_;
    std::unique_ptr<std::byte[], FreeDeleter> memory_;
};

}  // namespace sipo::cpu
