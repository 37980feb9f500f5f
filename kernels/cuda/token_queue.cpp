#include "token_queue.hpp"

#include "cuda_check.hpp"

namespace sipo::cuda {

bool TokenQueue::add(const TokenShape& shape, const TokenLayer& layer) {
    const bool joins = args_ && args_->layers > 0 && args_->shape == shape;
    if (!joins || args_->layers == max_token_layers) {
        flush();
        if (!open(shape)) return false;
    }
    args_->layer[args_->layers++] = layer;
    return true;
}

bool TokenQueue::open(const TokenShape& shape) {
    if (!args_) args_ = std::make_unique<TokenArgs>();
    if (args_->shape == shape) return blocks_ > 0;
    args_->shape = shape;
    blocks_ = token_blocks(shape);
    if (blocks_ == 0) return false;
    const std::int64_t bytes = exchange_bytes(shape, blocks_);
    exchange_ = DeviceMemory(queue_, bytes);
    check(cudaMemsetAsync(exchange_.data(), 0, static_cast<std::size_t>(bytes),
                          queue_->memory_stream()),
          "the blocks' exchange");
    args_->exchange = make_exchange(shape, exchange_.data());
    return true;
}

void TokenQueue::flush() {
    if (args_ && args_->layers > 0) launch({});
}

void TokenQueue::launch(const TokenHead& head) {
    args_->head = head;
    const DeviceGuard guard(queue_->device().number());
    mamba1_token(*args_, blocks_, queue_->stream());
    args_->layers = 0;
}

bool TokenQueue::finish(const float* residual, float norm_eps, const TokenHead& head) {
    const bool follows = args_ && args_->layers > 0 && args_->shape.residual == residual &&
                         args_->shape.norm_eps == norm_eps && head.rows % 2 == 0;
    if (!follows) return false;
    launch(head);
    return true;
}

void TokenQueue::drop() {
    if (args_) args_->layers = 0;
}

}  // namespace sipo::cuda
