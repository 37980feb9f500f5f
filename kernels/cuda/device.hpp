// A CUDA device as this backend uses it: its memory pool, its streams, and the guard that makes it
// the calling thread's current device for as long as an operation takes.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace sipo::cuda {

// Number of devices; throws Code::backend_error with the driver's reason when there is no driver.
[[nodiscard]] int device_count();

// Makes a device current and gives the thread its own back: the host may use CUDA too.
class DeviceGuard {
public:
    explicit DeviceGuard(int device);
    ~DeviceGuard();
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

private:
    int before_ = 0;
    int device_;
};

// What the pool takes for so many bytes of memory: pieces lie on borders.
inline constexpr std::int64_t pool_granule = 512;
[[nodiscard]] std::int64_t pool_bytes(std::int64_t bytes);

// Shared by the backend, its streams and their memory; the last of them lets go of the pool.
class Device {
public:
    // `memory_limit`: bytes this backend may hold on the device; 0: all there are.
    Device(int number, std::int64_t memory_limit);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] cudaMemPool_t pool() const { return pool_; }
    // Bytes of the pool that are in use. Throws Code::out_of_memory above the limit.
    void lend(std::int64_t bytes);
    void take_back(std::int64_t bytes) { lent_ -= bytes; }
    [[nodiscard]] int multiprocessors() const { return multiprocessors_; }
    // "cuda:0 (NVIDIA H200)"
    [[nodiscard]] const std::string& name() const { return name_; }

private:
    int number_;
    std::int64_t memory_limit_;
    std::atomic<std::int64_t> lent_{0};
    int multiprocessors_ = 0;
    cudaMemPool_t pool_ = nullptr;
    std::string name_;
};

class QueueOwner;
using Queue = std::shared_ptr<QueueOwner>;

// A stream of the runtime. It outlives the memory that was taken on it.
class QueueOwner {
public:
    explicit QueueOwner(std::shared_ptr<Device> device);
    ~QueueOwner();
    QueueOwner(const QueueOwner&) = delete;
    QueueOwner& operator=(const QueueOwner&) = delete;

    // Where operations go.
    [[nodiscard]] cudaStream_t stream() const { return recorder_ != nullptr ? recorder_ : stream_; }
    // Where memory is taken and given back.
    [[nodiscard]] cudaStream_t memory_stream() const { return stream_; }
    // Operations go to `recorder` until it is null again.
    void redirect(cudaStream_t recorder) { recorder_ = recorder; }
    [[nodiscard]] Device& device() const { return *device_; }
    // Counts the blocks of memory that were given back: what was recorded before may name them.
    [[nodiscard]] std::uint64_t releases() const { return releases_; }
    void count_release() { ++releases_; }
    void synchronize() const;

private:
    std::shared_ptr<Device> device_;
    cudaStream_t stream_ = nullptr;
    cudaStream_t recorder_ = nullptr;
    std::uint64_t releases_ = 0;
};

// Device memory, taken and given back in the order of a queue. Throws Code::out_of_memory with the
// size.
class DeviceMemory {
public:
    DeviceMemory() = default;
    DeviceMemory(Queue queue, std::int64_t bytes);
    ~DeviceMemory();
    DeviceMemory(DeviceMemory&& other) noexcept;
    DeviceMemory& operator=(DeviceMemory&& other) noexcept;

    [[nodiscard]] void* data() const { return data_; }
    [[nodiscard]] std::int64_t bytes() const { return bytes_; }

private:
    Queue queue_;
    void* data_ = nullptr;
    std::int64_t bytes_ = 0;
};

}  // namespace sipo::cuda
