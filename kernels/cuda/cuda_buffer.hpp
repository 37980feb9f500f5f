// The backend's matrices: buffers of f32 or bf16 rows, and weights as the kernels read them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "backend/backend.hpp"
#include "device.hpp"
#include "kernels.hpp"

namespace sipo::cuda {

class CudaBuffer final : public backend::Buffer {
public:
    // Zero-filled. Rows start on 16-byte borders.
    CudaBuffer(const Queue& queue, std::int64_t rows, std::int64_t cols, DType type);
    [[nodiscard]] void* data() const { return memory_.data(); }
    [[nodiscard]] std::int64_t stride() const { return stride_; }
    [[nodiscard]] DType type() const { return type_; }
    // What one takes of the pool.
    [[nodiscard]] static std::int64_t bytes(std::int64_t rows, std::int64_t cols, DType type);

private:
    DType type_;
    std::int64_t stride_;  // in elements
    DeviceMemory memory_;
};

// A view with its address and type.
struct Plane {
    void* data;
    DType type;
    std::int64_t stride;
    std::int64_t rows;
    std::int64_t cols;

    // The caller knows the type.
    template <typename T>
    [[nodiscard]] Rows<T> as() const {
        return {static_cast<T*>(data), stride};
    }
    [[nodiscard]] std::size_t element() const { return dtype_size(type); }
};

[[nodiscard]] Plane resolve(const backend::View& view);
[[nodiscard]] const float* values_of(const backend::Buffer& table);
[[nodiscard]] std::int64_t stride_of(const backend::Buffer& table);

class CudaMatrix final : public backend::Matrix {
public:
    CudaMatrix(const Queue& queue, std::int64_t rows, std::int64_t cols, DType type,
               std::span<const std::byte> values);
    [[nodiscard]] const Weights& weights() const { return weights_; }
    [[nodiscard]] DType type() const { return static_cast<DType>(weights_.type); }
    // The same in bf16, for products with bf16 inputs: only a small f32 matrix has it (dt_proj).
    [[nodiscard]] const std::optional<Weights>& half() const { return half_; }
    [[nodiscard]] std::int64_t bytes() const override {
        return codes_.bytes() + scales_.bytes() + half_codes_.bytes();
    }
    // What one takes of the pool.
    [[nodiscard]] static std::int64_t bytes(const backend::MatrixSize& size);

private:
    void upload_elements(const Queue& queue, std::span<const std::byte> values);
    template <typename Block>
    void upload_blocks(const Queue& queue, std::span<const std::byte> values);
    void make_half(const Queue& queue);

    Weights weights_{};
    std::optional<Weights> half_;
    DeviceMemory codes_;
    DeviceMemory scales_;
    DeviceMemory half_codes_;
};

[[nodiscard]] inline const CudaMatrix& held(const backend::Matrix& matrix) {
    return static_cast<const CudaMatrix&>(matrix);
}

}  // namespace sipo::cuda
