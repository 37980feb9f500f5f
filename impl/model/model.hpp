// A model's weights on a backend, ready for any number of sessions. Immutable.
//
// This folder: weight_source reads tensors, block.hpp is a layer and mamba1_block / mamba2_block
// the two kinds, workspace their intermediate matrices, model the whole. It calls the backend
// interface and nothing else that computes; sessions call it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.hpp"
#include "base/progress.hpp"
#include "format/container.hpp"
#include "model/block.hpp"

namespace sipo {

class Model {
public:
    // Progress counts bytes of weights and comes on the calling thread.
    Model(const Container& container, backend::BackendPtr backend, int threads,
          const ProgressFn& progress);

    [[nodiscard]] const Architecture& architecture() const { return arch_; }
    [[nodiscard]] backend::Backend& backend() const { return *backend_; }
    [[nodiscard]] const Block& block(std::int64_t layer) const {
        return *blocks_[static_cast<std::size_t>(layer)];
    }
    [[nodiscard]] const backend::Matrix& embedding() const { return *embedding_; }
    [[nodiscard]] const backend::Matrix& head() const { return head_ ? *head_ : *embedding_; }
    [[nodiscard]] const backend::Buffer& final_norm() const { return *final_norm_; }
    // The type the matrices are stored and multiplied in.
    [[nodiscard]] DType weights_type() const { return weights_type_; }
    // The type that suffices between the products.
    [[nodiscard]] DType activations() const;
    // What a stream does for `rows` tokens together, of which `logits` go through the head.
    [[nodiscard]] backend::StreamWork work(std::int64_t rows, std::int64_t logits) const;
    [[nodiscard]] std::int64_t weight_bytes() const;
    [[nodiscard]] std::int64_t parameters() const { return parameters_; }

private:
    Architecture arch_;
    backend::BackendPtr backend_;
    backend::MatrixPtr embedding_;   // [vocab_size, d_model]
    backend::MatrixPtr head_;        // the same shape; null when tied
    backend::BufferPtr final_norm_;  // [1, d_model]
    std::vector<std::unique_ptr<Block>> blocks_;
    DType weights_type_ = DType::f32;
    std::int64_t parameters_ = 0;
};

}  // namespace sipo
