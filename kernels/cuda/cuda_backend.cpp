// The plugin's entry point and the backend it makes.
#include <algorithm>
#include <memory>
#include <string>

#include "backend/plugin.hpp"
#include "base/checked.hpp"
#include "base/error.hpp"
#include "cuda_buffer.hpp"
#include "cuda_check.hpp"
#include "cuda_stream.hpp"
#include "device.hpp"
#include "stream_memory.hpp"

namespace sipo::cuda {
namespace {

using backend::BufferPtr;
using backend::MatrixPtr;
using backend::StreamPtr;

class CudaBackend final : public backend::Backend {
public:
    explicit CudaBackend(std::shared_ptr<Device> device) : device_(std::move(device)) {}

    // Each upload has a queue of its own: they come from several threads.
    MatrixPtr upload_matrix(std::int64_t rows, std::int64_t cols, DType type,
                            std::span<const std::byte> values) override {
        const DeviceGuard guard(device_->number());
        return std::make_unique<CudaMatrix>(std::make_shared<QueueOwner>(device_), rows, cols, type,
                                            values);
    }

    BufferPtr upload_table(std::int64_t rows, std::int64_t cols,
                           std::span<const float> values) override {
        if (values.size() != static_cast<std::size_t>(rows * cols)) {
            fail(Code::internal, "a table of ", rows, " x ", cols, " got ", values.size(),
                 " values");
        }
        const DeviceGuard guard(device_->number());
        const auto queue = std::make_shared<QueueOwner>(device_);
        auto table = std::make_unique<CudaBuffer>(queue, rows, cols, DType::f32);
        const std::size_t width = static_cast<std::size_t>(cols) * sizeof(float);
        check(cudaMemcpy2DAsync(table->data(),
                                static_cast<std::size_t>(table->stride()) * sizeof(float),
                                values.data(), width, width, static_cast<std::size_t>(rows),
                                cudaMemcpyHostToDevice, queue->stream()),
              "uploading a table");
        queue->synchronize();
        return table;
    }

    StreamPtr open_stream(int) override { return make_cuda_stream(device_); }
    std::int64_t buffer_bytes(std::int64_t rows, std::int64_t cols, DType type) const override {
        return CudaBuffer::bytes(rows, cols, type);
    }
    std::int64_t matrices_bytes(std::span<const backend::MatrixSize> matrices) const override {
        std::int64_t sum = 0;
        for (const backend::MatrixSize& size : matrices) {
            sum = checked_add(sum, CudaMatrix::bytes(size));
        }
        return sum;
    }
    std::int64_t stream_bytes(int, const backend::StreamWork& work) const override {
        const DeviceGuard guard(device_->number());
        return cuda::stream_bytes(work, device_->multiprocessors());
    }
    std::int64_t prefill_chunk_tokens() const override { return 16384; }
    std::int64_t split_chunk_tokens() const override { return 2048; }
    std::string name() const override { return device_->name(); }

private:
    std::shared_ptr<Device> device_;
};

backend::BackendPtr make(int number, std::int64_t memory_limit) {
    const int devices = device_count();
    if (devices == 0) {
        fail(Code::backend_error, "there is no CUDA device here; take the backend 'cpu'");
    }
    if (number < 0 || number >= devices) {
        fail(Code::not_found, "there is no device cuda:", number, "; this machine has ", devices,
             ", numbered from 0");
    }
    return std::make_shared<CudaBackend>(std::make_shared<Device>(number, memory_limit));
}

}  // namespace
}  // namespace sipo::cuda

extern "C" __attribute__((visibility("default"))) const sipo::backend::PluginTable*
sipo_backend_plugin() {
    static constexpr sipo::backend::PluginTable table{sipo::backend::plugin_api_version,
                                                      SIPO_VERSION, &sipo::cuda::make};
    return &table;
}
