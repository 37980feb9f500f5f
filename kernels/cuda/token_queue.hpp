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
    // A product was asked for: the first one after the layers will be it after the next token, too.
    void note_product(const Weights& weights);
    // Forgets what was added.
    void drop();

private:
    [[nodiscard]] bool open(const TokenShape& shape);

    Queue queue_;
    DeviceMemory exchange_;
    std::unique_ptr<TokenArgs> args_;
    int blocks_ = 0;
    bool launched_ = false;  // since the last product
};

}  // namespace sipo::cuda
