// out_proj of a step of several sequences, which waits for the layer that follows: its launch takes
// that layer's norm along, and asks for the first of its in_proj.
#pragma once

#include <optional>
#include <utility>

#include "add_product.hpp"
#include "cuda_buffer.hpp"
#include "mamba1_rows.hpp"

namespace sipo::cuda {

class OutProjection {
public:
    explicit OutProjection(Queue queue) : queue_(std::move(queue)) {}

    // Whether the out_proj of a layer whose step mamba1_rows.hpp fits can wait here.
    [[nodiscard]] bool fits(const backend::Mamba1Layer& layer) const;
    // Leaves in layer.normed what in_proj is to be multiplied with: the norm of the residual, or where
    // out_proj has waited what still lacks the norm's factors.
    struct Normed {
        RowSquares squares;        // for the factors
        float* factors = nullptr;  // [max_states], room for them
    };
    // `next`: the first that it is multiplied with.
    [[nodiscard]] Normed norm(const backend::Mamba1Layer& layer, const backend::View& residual,
                              const FirstTiles& next);
    // residual += layer.y · out_projᵀ, later.
    void add(const backend::Mamba1Layer& layer, const backend::View& residual);
    // Launches what waits.
    void flush();
    // Forgets it.
    void drop() { waiting_.reset(); }

    // Of device memory.
    static constexpr std::int64_t bytes =
        (RowSquares::max_parts + 1) * max_states * std::int64_t{sizeof(float)};

private:
    struct Waiting {
        AddProductArgs args;
        AddProductPlan plan;
    };
    [[nodiscard]] AddProductPlan plan(const backend::Mamba1Layer& layer) const;
    [[nodiscard]] bool follows(const Plane& residual) const;

    Queue queue_;
    DeviceMemory memory_;  // squares, then factors
    std::optional<Waiting> waiting_;
};

}  // namespace sipo::cuda
