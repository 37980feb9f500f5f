// A stream beside a queue's own, for what can run at the same time.
#pragma once

#include <cuda_runtime.h>

#include "cuda_check.hpp"
#include "device.hpp"

namespace sipo::cuda {

class SideStream {
public:
    explicit SideStream(Queue queue);
    ~SideStream();
    SideStream(const SideStream&) = delete;
    SideStream& operator=(const SideStream&) = delete;

    // What fn() asks of the queue runs here, after all that the queue was asked for before.
    template <typename Fn>
    void run(const Fn& fn) {
        const Turn turn(*this);
        fn();
    }
    // What the queue is asked for from now on comes after what runs here.
    void join() const;

private:
    class Turn {
    public:
        explicit Turn(const SideStream& side);
        ~Turn();
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

    private:
        const SideStream& side_;
        cudaStream_t recorder_;  // of the queue, before
    };

    Queue queue_;
    cudaStream_t stream_ = nullptr;
    cudaEvent_t forked_ = nullptr;
    cudaEvent_t done_ = nullptr;
};

}  // namespace sipo::cuda
