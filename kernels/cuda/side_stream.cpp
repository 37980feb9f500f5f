#include "side_stream.hpp"

#include <utility>

namespace sipo::cuda {

SideStream::SideStream(Queue queue) : queue_(std::move(queue)) {
    const DeviceGuard guard(queue_->device().number());
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
    check(cudaEventCreateWithFlags(&forked_, cudaEventDisableTiming), "an event");
    check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "an event");
}

SideStream::~SideStream() {
    (void)cudaStreamSynchronize(stream_);
    (void)cudaEventDestroy(forked_);
    (void)cudaEventDestroy(done_);
    (void)cudaStreamDestroy(stream_);
}

void SideStream::join() const {
    check(cudaStreamWaitEvent(queue_->stream(), done_), "waiting for another stream");
}

SideStream::Turn::Turn(const SideStream& side) : side_(side), recorder_(side.queue_->recorder()) {
    check(cudaEventRecord(side_.forked_, side_.queue_->stream()), "an event");
    check(cudaStreamWaitEvent(side_.stream_, side_.forked_), "waiting for another stream");
    side_.queue_->redirect(side_.stream_);
}

SideStream::Turn::~Turn() {
    // An error shows at the next call that is checked.
    (void)cudaEventRecord(side_.done_, side_.stream_);
    side_.queue_->redirect(recorder_);
}

}  // namespace sipo::cuda
