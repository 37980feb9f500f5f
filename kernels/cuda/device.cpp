#include "device.hpp"

#include <utility>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "cuda_check.hpp"

namespace sipo::cuda {

void fail_cuda(cudaError_t error, const char* what) {
    if (error == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();  // not a fault of the device: nothing to carry on
        fail(Code::out_of_memory, "the CUDA device has no memory left for ", what);
    }
    fail(Code::backend_error, "CUDA failed at ", what, ": ", cudaGetErrorString(error), " (",
         cudaGetErrorName(error), ")");
}

int device_count() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaErrorNoDevice) return 0;
    if (error == cudaErrorInsufficientDriver) {
        fail(Code::backend_error, "the NVIDIA driver is missing or older than CUDA ",
             CUDART_VERSION / 1000, ".", CUDART_VERSION % 1000 / 10,
             " needs; install a newer one or take the backend 'cpu'");
    }
    check(error, "counting the devices");
    return count;
}

DeviceGuard::DeviceGuard(int device) : device_(device) {
    check(cudaGetDevice(&before_), "the current device");
    if (before_ != device_) check(cudaSetDevice(device_), "choosing the device");
}

DeviceGuard::~DeviceGuard() {
    if (before_ != device_) (void)cudaSetDevice(before_);
}

std::int64_t pool_bytes(std::int64_t bytes) { return round_up(bytes, pool_granule); }

Device::Device(int number, std::int64_t memory_limit)
    : number_(number), memory_limit_(memory_limit) {
    const DeviceGuard guard(number);
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, number), "the device's properties");
    if (properties.major < 8) {
        fail(Code::unsupported, "cuda:", number, " (", properties.name, ") has compute capability ",
             properties.major, ".", properties.minor, "; 8.0 or newer is needed");
    }
    name_ = join("cuda:", number, " (", properties.name, ")");
    multiprocessors_ = properties.multiProcessorCount;
    cudaMemPoolProps pool{};
    pool.allocType = cudaMemAllocationTypePinned;
    pool.location.type = cudaMemLocationTypeDevice;
    pool.location.id = number;
    check(cudaMemPoolCreate(&pool_, &pool), "a memory pool");
    // What a session gives back the next one takes: nothing returns to the driver before the end.
    std::uint64_t keep = UINT64_MAX;
    check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "a memory pool");
}

Device::~Device() {
    if (pool_ != nullptr) (void)cudaMemPoolDestroy(pool_);
}

void Device::lend(std::int64_t bytes) {
    const std::int64_t lent = lent_ += bytes;
    if (memory_limit_ == 0 || lent <= memory_limit_) return;
    lent_ -= bytes;
    fail(Code::out_of_memory, name_, " may lend ", memory_limit_, " bytes and has lent ",
         lent - bytes, "; ", bytes,
         " more were asked for: raise the limit of the device's memory or close sessions");
}

QueueOwner::QueueOwner(std::shared_ptr<Device> device) : device_(std::move(device)) {
    const DeviceGuard guard(device_->number());
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
}

QueueOwner::~QueueOwner() {
    (void)cudaStreamSynchronize(stream_);
    (void)cudaStreamDestroy(stream_);
}

void QueueOwner::synchronize() const {
    check(cudaStreamSynchronize(stream_), "waiting for the device");
}

DeviceMemory::DeviceMemory(Queue queue, std::int64_t bytes)
    : queue_(std::move(queue)), bytes_(bytes) {
    if (bytes == 0) return;
    Device& device = queue_->device();
    device.lend(bytes);
    const cudaError_t error = cudaMallocFromPoolAsync(&data_, static_cast<std::size_t>(bytes),
                                                      device.pool(), queue_->memory_stream());
    if (error != cudaSuccess) device.take_back(bytes);
    if (error == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        fail(Code::out_of_memory, device.name(), " has no ", bytes,
             " bytes of memory left; close sessions, take a smaller model or the backend 'cpu'");
    }
    check(error, "taking memory");
}

DeviceMemory::~DeviceMemory() {
    if (data_ == nullptr) return;
    queue_->count_release();
    (void)cudaFreeAsync(data_, queue_->memory_stream());
    queue_->device().take_back(bytes_);
}

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
    std::swap(queue_, other.queue_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

}  // namespace sipo::cuda
