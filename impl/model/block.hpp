// One layer, norm to residual, in two halves: project() computes everything up to Δ, mix() scans
// and writes back. Context methods act between the halves, through LayerHook and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.hpp"
#include "format/architecture.hpp"
#include "model/weight_source.hpp"
#include "model/workspace.hpp"

namespace sipo {

// The recurrent state of a layer. Shapes are the backend interface's.
struct LayerState {
    backend::View conv_state;  // [d_conv - 1, conv channels]
    backend::View ssm_state;   // Mamba-1 [d_state, d_inner], Mamba-2 [n_heads * d_state, head_dim]

    [[nodiscard]] backend::States conv() const { return {&conv_state, 1}; }
    [[nodiscard]] backend::States ssm() const { return {&ssm_state, 1}; }
};

// What a context method asks of the second half.
struct LayerHook {
    backend::DeltaFilter filter;
    const std::vector<std::int64_t>* rows = nullptr;  // tokens that survive; null: all
};

class Block {
public:
    Block() = default;
    virtual ~Block() = default;
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    // residual [tokens, d_model] → work.delta and what mix() needs; moves the conv states on.
    virtual void project(backend::Stream& stream, backend::View residual,
                         backend::States conv_states, Workspace& work) const = 0;
    // What mix() scans of the `tokens` that project() left in `work`.
    [[nodiscard]] virtual backend::ScanInputs scan_inputs(std::int64_t tokens,
                                                          const LayerHook& hook,
                                                          const Workspace& work) const = 0;
    // Scans the `tokens` that project() left in `work` and adds the layer's output to `residual`
    // [visited tokens, d_model]; moves the ssm states on.
    virtual void mix(backend::Stream& stream, std::int64_t tokens, const LayerHook& hook,
                     backend::States ssm_states, backend::View residual, Workspace& work) const = 0;
    // Both halves by the plain recurrence for rows that are the next tokens of as many sequences.
    virtual void step(backend::Stream& stream, backend::View residual, backend::States conv_states,
                      backend::States ssm_states, Workspace& work) const {
        project(stream, residual, conv_states, work);
        mix(stream, residual.rows, {}, ssm_states, residual, work);
    }
    // A on the host, for calibration: Mamba-1 [d_inner, d_state], Mamba-2 [n_heads]; negative.
    [[nodiscard]] virtual std::span<const float> a() const = 0;
    // Bytes of weights held.
    [[nodiscard]] virtual std::int64_t bytes() const = 0;
    // Adds the matrices that project() and mix() multiply by.
    virtual void add_products(std::vector<const backend::Matrix*>& products) const = 0;
};

// Loads layer `index`.
[[nodiscard]] std::unique_ptr<Block> make_mamba1_block(const Architecture& arch,
                                                       WeightSource& source, std::int64_t index);
[[nodiscard]] std::unique_ptr<Block> make_mamba2_block(const Architecture& arch,
                                                       WeightSource& source, std::int64_t index);

}  // namespace sipo
