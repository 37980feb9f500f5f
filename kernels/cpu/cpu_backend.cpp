#include "cpu_backend.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "cpu_buffer.hpp"
#include "cpu_stream.hpp"
#include "kernel_table.hpp"

namespace sipo::cpu {
namespace {

using backend::BufferPtr;
using backend::MatrixPtr;
using backend::StreamPtr;

class CpuBackend final : public backend::Backend {
public:
    explicit CpuBackend(const KernelTable& kernels) : kernels_(kernels) {}

    MatrixPtr upload_matrix(std::int64_t rows, std::int64_t cols, DType type,
                            std::span<const std::byte> values) override {
        return std::make_unique<CpuMatrix>(kernels_, rows, cols, type, values, arena_);
    }

    BufferPtr upload_table(std::int64_t rows, std::int64_t cols,
                           std::span<const float> values) override {
        auto table = std::make_unique<CpuBuffer>(rows, cols);
        if (values.size() != static_cast<std::size_t>(rows * cols)) {
            fail(Code::internal, "a table of ", rows, " x ", cols, " got ", values.size(),
                 " values");
        }
        std::memcpy(table->data(), values.data(), values.size_bytes());
        return table;
    }

    StreamPtr open_stream(int threads) override { return make_cpu_stream(kernels_, threads); }

    std::int64_t buffer_bytes(std::int64_t rows, std::int64_t cols, DType) const override {
        return CpuBuffer::bytes(rows, cols);
    }

    std::int64_t matrices_bytes(std::span<const backend::MatrixSize> matrices) const override {
        std::vector<std::int64_t> pieces;
        pieces.reserve(matrices.size());
        for (const backend::MatrixSize& size : matrices) {
            pieces.push_back(Panels(kernels_, size).bytes());
        }
        const auto count = static_cast<std::int64_t>(matrices.size());
        return checked_add(Arena::bytes(pieces), count * holder_bytes);
    }

    std::int64_t stream_bytes(int threads, const backend::StreamWork& work) const override {
        return cpu_stream_bytes(threads, work);
    }

    std::string name() const override { return join("cpu (", kernels_.name, ")"); }

private:
    const KernelTable& kernels_;
    Arena arena_;  // for matrices alone: they stay, while tables come and go with prompts
};

}  // namespace

backend::BackendPtr make_cpu_backend() { return std::make_shared<CpuBackend>(select_kernels()); }

}  // namespace sipo::cpu
