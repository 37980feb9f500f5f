#include "cuda_buffer.hpp"

#include <cstring>
#include <vector>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "cuda_check.hpp"

namespace sipo::cuda {
namespace {

// Columns a row of weights takes: whole blocks, and whole reads of any type.
std::int64_t padded(std::int64_t cols) { return round_up(cols, quant_block); }

// Up to so many inputs an f32 matrix is small beside its model's others.
constexpr std::int64_t max_half_cols = 512;

void copy_to_device(const Queue& queue, const void* from, std::size_t bytes, void* to) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, queue->stream()),
          "uploading weights");
}

}  // namespace

namespace {

DType kept_type(DType type) { return type == DType::bf16 ? DType::bf16 : DType::f32; }

std::int64_t element_bytes(DType type) { return static_cast<std::int64_t>(dtype_size(type)); }

std::int64_t stride_for(std::int64_t cols, DType type) {
    return round_up(cols, std::int64_t{16} / element_bytes(type));
}

std::int64_t buffer_bytes(std::int64_t rows, std::int64_t cols, DType type) {
    return checked_mul(checked_mul(rows, stride_for(cols, type)), element_bytes(type));
}

// Whether a matrix is kept in bf16 too.
bool has_half(DType type, std::int64_t cols) { return type == DType::f32 && cols <= max_half_cols; }

}  // namespace

CudaBuffer::CudaBuffer(const Queue& queue, std::int64_t rows, std::int64_t cols, DType type)
    : Buffer(rows, cols),
      type_(kept_type(type)),
      stride_(stride_for(cols, type_)),
      memory_(queue, buffer_bytes(rows, cols, type_)) {
    if (memory_.bytes() == 0) return;
    check(cudaMemsetAsync(memory_.data(), 0, static_cast<std::size_t>(memory_.bytes()),
                          queue->stream()),
          "clearing a buffer");
}

std::int64_t CudaBuffer::bytes(std::int64_t rows, std::int64_t cols, DType type) {
    return pool_bytes(buffer_bytes(rows, cols, kept_type(type)));
}

Plane resolve(const backend::View& view) {
    const auto& buffer = static_cast<const CudaBuffer&>(*view.buffer);
    const std::int64_t first = view.row * buffer.stride() + view.col;
    auto* data = static_cast<std::byte*>(buffer.data());
    return {data + first * static_cast<std::int64_t>(dtype_size(buffer.type())), buffer.type(),
            buffer.stride(), view.rows, view.cols};
}

const float* values_of(const backend::Buffer& table) {
    return static_cast<const float*>(static_cast<const CudaBuffer&>(table).data());
}

std::int64_t stride_of(const backend::Buffer& table) {
    return static_cast<const CudaBuffer&>(table).stride();
}

CudaMatrix::CudaMatrix(const Queue& queue, std::int64_t rows, std::int64_t cols, DType type,
                       std::span<const std::byte> values)
    : Matrix(rows, cols) {
    const std::int64_t expected = checked_mul(rows, row_bytes(type, cols));
    if (values.size() != static_cast<std::size_t>(expected)) {
        fail(Code::internal, "a matrix of ", rows, " x ", cols, " got ", values.size(), " bytes");
    }
    weights_.rows = rows;
    weights_.cols = cols;
    weights_.stride = padded(cols);
    weights_.type = static_cast<int>(type);
    if (type == DType::q8) {
        upload_blocks<BlockQ8>(queue, values);
    } else if (type == DType::q4) {
        upload_blocks<BlockQ4>(queue, values);
    } else {
        upload_elements(queue, values);
    }
    if (has_half(type, cols)) make_half(queue);
    queue->synchronize();  // `values` and what was staged are the caller's and ours again
}

std::int64_t CudaMatrix::bytes(const backend::MatrixSize& size) {
    // Codes and scales lie apart.
    if (is_quantised(size.type)) {
        return checked_add(pool_bytes(checked_mul(size.rows, row_bytes(size.type, size.cols))),
                           pool_granule);
    }
    const std::int64_t elements = checked_mul(size.rows, padded(size.cols));
    const std::int64_t half = has_half(size.type, size.cols) ? pool_bytes(2 * elements) : 0;
    return checked_add(pool_bytes(checked_mul(elements, element_bytes(size.type))), half);
}

void CudaMatrix::upload_elements(const Queue& queue, std::span<const std::byte> values) {
    const std::size_t element = dtype_size(type());
    const std::size_t pitch = static_cast<std::size_t>(weights_.stride) * element;
    const std::size_t width = static_cast<std::size_t>(cols()) * element;
    codes_ = DeviceMemory(queue, rows() * static_cast<std::int64_t>(pitch));
    weights_.codes = codes_.data();
    check(cudaMemsetAsync(codes_.data(), 0, static_cast<std::size_t>(codes_.bytes()),
                          queue->stream()),
          "clearing weights");
    check(cudaMemcpy2DAsync(codes_.data(), pitch, values.data(), width, width,
                            static_cast<std::size_t>(rows()), cudaMemcpyHostToDevice,
                            queue->stream()),
          "uploading weights");
}

// Codes on one side and scales on the other, so that both are read in wide pieces.
template <typename Block>
void CudaMatrix::upload_blocks(const Queue& queue, std::span<const std::byte> values) {
    constexpr std::size_t code_bytes = sizeof(Block::codes);
    constexpr std::size_t scale_bytes = sizeof(Block) - code_bytes;
    const std::size_t blocks = values.size() / sizeof(Block);
    std::vector<std::byte> codes(blocks * code_bytes);
    std::vector<std::byte> scales(blocks * scale_bytes);
    for (std::size_t i = 0; i < blocks; ++i) {
        const std::byte* block = values.data() + i * sizeof(Block);
        std::memcpy(scales.data() + i * scale_bytes, block, scale_bytes);
        std::memcpy(codes.data() + i * code_bytes, block + scale_bytes, code_bytes);
    }
    codes_ = DeviceMemory(queue, static_cast<std::int64_t>(codes.size()));
    scales_ = DeviceMemory(queue, static_cast<std::int64_t>(scales.size()));
    copy_to_device(queue, codes.data(), codes.size(), codes_.data());
    copy_to_device(queue, scales.data(), scales.size(), scales_.data());
    queue->synchronize();
    weights_.codes = codes_.data();
    weights_.scales = scales_.data();
}

void CudaMatrix::make_half(const Queue& queue) {
    half_ = weights_;
    half_->type = static_cast<int>(DType::bf16);
    half_codes_ = DeviceMemory(queue, rows() * weights_.stride * 2);
    half_->codes = half_codes_.data();
    const Rows<float> from{static_cast<float*>(codes_.data()), weights_.stride};
    const Rows<__nv_bfloat16> to{static_cast<__nv_bfloat16*>(half_codes_.data()), weights_.stride};
    copy_rows(from, to, rows(), weights_.stride, queue->stream());
}

}  // namespace sipo::cuda
