#include "cpu_buffer.hpp"

#include "base/checked.hpp"
#include "base/error.hpp"

namespace sipo::cpu {

namespace {

std::int64_t bytes_of_floats(std::int64_t rows, std::int64_t cols) {
    return checked_mul(checked_mul(rows, cols), std::int64_t{sizeof(float)});
}

}  // namespace

CpuBuffer::CpuBuffer(std::int64_t rows, std::int64_t cols)
    : Buffer(rows, cols), memory_(allocate_bytes(bytes_of_floats(rows, cols))) {}

std::int64_t CpuBuffer::bytes(std::int64_t rows, std::int64_t cols) {
    return checked_add(block_bytes(bytes_of_floats(rows, cols)), holder_bytes);
}

Span2d resolve(const backend::View& view) {
    auto& buffer = static_cast<CpuBuffer&>(*view.buffer);
    return {buffer.data() + view.row * buffer.cols() + view.col, buffer.cols(), view.rows,
            view.cols};
}

const float* values_of(const backend::Buffer& table) {
    return static_cast<const CpuBuffer&>(table).data();
}

namespace {

std::int64_t panel_columns(const KernelTable& kernels, DType type) {
    switch (type) {
        case DType::f32: return kernels.panel_f32;
        case DType::bf16: return kernels.panel_bf16;
        case DType::q8:
        case DType::q4: return kernels.panel_quant;
        default: fail(Code::unsupported, "the CPU does not multiply ", dtype_name(type));
    }
}

std::int64_t bytes_of_panel(const KernelTable& kernels, DType type, std::int64_t cols) {
    const std::int64_t blocks = ceil_div(cols, quant_block);
    switch (type) {
        case DType::q8: return kernels.panel_bytes_q8(blocks);
        case DType::q4: return kernels.panel_bytes_q4(blocks);
        case DType::f32: return kernels.panel_f32 * cols * std::int64_t{sizeof(float)};
        default: return kernels.panel_bf16 * round_up(cols, std::int64_t{2}) * 2;
    }
}

}  // namespace

Panels::Panels(const KernelTable& kernels, const backend::MatrixSize& size)
    : columns(panel_columns(kernels, size.type)),
      count(ceil_div(size.rows, columns)),
      panel_bytes(bytes_of_panel(kernels, size.type, size.cols)) {}

std::int64_t Panels::bytes() const { return checked_mul(count, panel_bytes); }

CpuMatrix::CpuMatrix(const KernelTable& kernels, std::int64_t rows, std::int64_t cols, DType type,
                     std::span<const std::byte> values, Arena& arena)
    : Matrix(rows, cols),
      type_(type),
      panels_(kernels, {rows, cols, type}),
      memory_(arena.allocate(panels_.bytes())) {
    const auto expected = static_cast<std::size_t>(checked_mul(rows, row_bytes(type, cols)));
    if (values.size() != expected) {
        fail(Code::internal, "a matrix of ", rows, " x ", cols, " ", dtype_name(type), " takes ",
             expected, " bytes, not ", values.size());
    }
    pack(kernels, values);
}

void CpuMatrix::pack(const KernelTable& kernels, std::span<const std::byte> values) {
    void* to = memory_.get();
    const void* from = values.data();
    const std::int64_t blocks = ceil_div(cols(), quant_block);
    switch (type_) {
        case DType::f32:
            kernels.pack_f32(static_cast<const float*>(from), rows(), cols(),
                             static_cast<float*>(to));
            return;
        case DType::q8:
            kernels.pack_q8(static_cast<const BlockQ8*>(from), rows(), blocks,
                            static_cast<std::uint8_t*>(to));
            return;
        case DType::q4:
            kernels.pack_q4(static_cast<const BlockQ4*>(from), rows(), blocks,
                            static_cast<std::uint8_t*>(to));
            return;
        default:
            kernels.pack_bf16(static_cast<const std::uint16_t*>(from), rows(), cols(),
                              static_cast<std::uint16_t*>(to));
    }
}

void CpuMatrix::read_row(std::int64_t row, float* out) const {
    const std::byte* panel = memory_.get() + row / panels_.columns * panels_.panel_bytes;
    const std::int64_t lane = row % panels_.columns;
    if (is_quantised(type_)) {
        read_quantised_row(reinterpret_cast<const std::uint8_t*>(panel), lane, out);
    } else if (type_ == DType::f32) {
        const auto* values = reinterpret_cast<const float*>(panel);
        for (std::int64_t k = 0; k < cols(); ++k) out[k] = values[k * panels_.columns + lane];
    } else {
        const auto* values = reinterpret_cast<const std::uint16_t*>(panel);
        for (std::int64_t k = 0; k < cols(); ++k) {
            out[k] = bf16_to_float(values[(k / 2 * panels_.columns + lane) * 2 + k % 2]);
        }
    }
}

// The layouts of matmul_q8.cpp and matmul_q4.cpp, one lane of them.
void CpuMatrix::read_quantised_row(const std::uint8_t* panel, std::int64_t lane, float* out) const {
    const bool q8 = type_ == DType::q8;
    const std::int64_t blocks = ceil_div(cols(), quant_block);
    const std::int64_t block_bytes = panels_.panel_bytes / blocks;
    for (std::int64_t k = 0; k < cols(); ++k) {
        const std::uint8_t* block = panel + k / quant_block * block_bytes;
        const auto* scales = reinterpret_cast<const std::uint16_t*>(block);
        const float scale = bf16_to_float(scales[lane]);
        const std::int64_t i = k % quant_block;
        if (q8) {
            const std::uint8_t code =
                block[panels_.columns * 2 + (i / 4 * panels_.columns + lane) * 4 + i % 4];
            out[k] = scale * static_cast<float>(static_cast<int>(code) - 128);
        } else {
            const std::uint8_t pair =
                block[panels_.columns * 4 + (i / 8 * panels_.columns + lane) * 4 + i % 4];
            const unsigned code = (pair >> (i / 4 % 2 * 4)) & 15U;
            out[k] =
                bf16_to_float(scales[panels_.columns + lane]) + scale * static_cast<float>(code);
        }
    }
}

}  // namespace sipo::cpu
