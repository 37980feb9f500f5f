// Memory of a stream that its operations use for a while: one block a purpose, grown to the largest
// request. Operations follow each other, so a block is free again when the next one asks.
#pragma once

#include <cstdint>

#include "base/checked.hpp"
#include "cuda_check.hpp"
#include "device.hpp"

namespace sipo::cuda {

template <typename Element>
class Scratch {
public:
    explicit Scratch(Queue queue) : queue_(std::move(queue)) {}

    [[nodiscard]] Element* get(std::int64_t count) {
        const std::int64_t bytes = checked_mul(count, std::int64_t{sizeof(Element)});
        if (bytes > memory_.bytes()) {
            memory_ = {};
            memory_ = DeviceMemory(queue_, bytes);
        }
        return static_cast<Element*>(memory_.data());
    }

    // The same with the values of the host in it.
    [[nodiscard]] Element* upload(const Element* values, std::int64_t count) {
        Element* data = get(count);
        check(cudaMemcpyAsync(data, values, static_cast<std::size_t>(count) * sizeof(Element),
                              cudaMemcpyHostToDevice, queue_->stream()),
              "uploading");
        return data;
    }

private:
    Queue queue_;
    DeviceMemory memory_;
};

// Pinned memory of the host, through which results come back.
class PinnedMemory {
public:
    explicit PinnedMemory(std::size_t bytes) : bytes_(bytes) {
        check(cudaMallocHost(&data_, bytes), "pinned memory");
    }
    ~PinnedMemory() { (void)cudaFreeHost(data_); }
    PinnedMemory(const PinnedMemory&) = delete;
    PinnedMemory& operator=(const PinnedMemory&) = delete;
    [[nodiscard]] void* data() const { return data_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    void* data_ = nullptr;
    std::size_t bytes_;
};

}  // namespace sipo::cuda
