#include "cpu_buffer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace sipo::cpu {
namespace {

constexpr std::int64_t cache_line = 64;
constexpr std::int64_t huge_page = 2 << 20;

std::int64_t physical_memory() {
    return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

}  // namespace

std::unique_ptr<std::byte[], FreeDeleter> allocate_bytes(std::int64_t bytes) {
    // Overcommitted memory fails by a killed process, so what cannot fit is refused here.
    if (bytes < 0 || bytes > physical_memory()) {
        fail(Code::out_of_memory, "cannot allocate ", bytes, " bytes; the machine has ",
             physical_memory());
    }
    const bool large = bytes >= 2 * huge_page;
    const std::int64_t alignment = large ? huge_page : cache_line;
    const std::int64_t rounded = round_up(bytes > 0 ? bytes : 1, alignment);
    void* memory =
        std::aligned_alloc(static_cast<std::size_t>(alignment), static_cast<std::size_t>(rounded));
    if (memory == nullptr) fail(Code::out_of_memory, "cannot allocate ", bytes, " bytes");
    if (large) madvise(memory, static_cast<std::size_t>(rounded), MADV_HUGEPAGE);
    std::memset(memory, 0, static_cast<std::size_t>(rounded));
    return std::unique_ptr<std::byte[], FreeDeleter>(static_cast<std::byte*>(memory));
}

CpuBuffer::CpuBuffer(std::int64_t rows, std::int64_t cols)
    : Buffer(rows, cols),
      memory_(allocate_bytes(checked_mul(checked_mul(rows, cols), std::int64_t{sizeof(float)}))) {}

Span2d resolve(const backend::View& view) {
    auto& buffer = static_cast<CpuBuffer&>(*view.buffer);
    return {buffer.data() + view.row * buffer.cols() + view.col, buffer.cols(), view.rows,
            view.cols};
}

const float* values_of(const backend::Buffer& table) {
    return static_cast<const CpuBuffer&>(table).data();
}

CpuMatrix::CpuMatrix(std::int64_t rows, std::int64_t cols, DType type, std::int64_t panel)
    : Matrix(rows, cols), type_(type), panel_(panel), memory_(allocate_bytes(bytes())) {}

std::int64_t CpuMatrix::panels() const { return ceil_div(rows(), panel_); }

std::int64_t CpuMatrix::packed_cols() const {
    return type_ == DType::f32 ? cols() : round_up(cols(), std::int64_t{2});
}

std::int64_t CpuMatrix::bytes() const {
    const auto element = static_cast<std::int64_t>(dtype_size(type_));
    return checked_mul(checked_mul(panels() * panel_, packed_cols()), element);
}

void CpuMatrix::read_row(std::int64_t row, float* out) const {
    const std::int64_t first = (row / panel_) * panel_ * packed_cols();
    const std::int64_t lane = row % panel_;
    if (type_ == DType::f32) {
        for (std::int64_t k = 0; k < cols(); ++k) out[k] = f32()[first + k * panel_ + lane];
        return;
    }
    for (std::int64_t k = 0; k < cols(); ++k) {
        const std::int64_t pair = first + (k / 2) * 2 * panel_ + 2 * lane;
        out[k] = bf16_to_float(bf16()[pair + k % 2]);
    }
}

}  // namespace sipo::cpu
