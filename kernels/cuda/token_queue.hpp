// Layers of a step, gathered until something else is asked of the stream, so that one launch takes
// them all.
#pragma once

#include <memory>

#include "device.hpp"
#include "mamba1_token.hpp"

namespace sipo::cuda {

class TokenQueue {
public:
    explicit TokenQueue(Queue queue) : queue_(std::move(queue)) {}

    // Takes the layer; false: its shape has no kernel, nothing is done.
    [[nodiscard]] bool add(const TokenShape& shape, const TokenLayer& layer);
    // Launches what was added.
    void flush();
    // The last norm and the head of the layers that were added, which are launched; false: this is not what
    // comes after them, nothing is done.
    [[nodiscard]] bool finish(const float* residual, float norm_eps, const TokenHead& head);
    // Forgets what was added.
    void drop();

private:
    [[nodiscard]] bool open(const TokenShape& shape);
    void launch(const TokenHead& head);

    Queue queue_;
    DeviceMemory exchange_;
    std::unique_ptr<TokenArgs> args_;
    int blocks_ = 0;
};

}  // namespace sipo::cuda
