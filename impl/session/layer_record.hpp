// Everything that one layer's scan reads of a prompt, brought to the host chunk by chunk.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.hpp"
#include "context/measures.hpp"
#include "context/method.hpp"
#include "format/architecture.hpp"

namespace sipo {

class LayerRecord {
public:
    // What a record of so many tokens holds.
    [[nodiscard]] static std::int64_t bytes(const Architecture& arch, std::int64_t tokens);

    LayerRecord(const Architecture& arch, std::int64_t tokens);

    void clear();
    // Throws Code::backend_error for a Δ that is not a finite number.
    void add(backend::Stream& stream, const backend::ScanInputs& inputs,
             std::span<const std::int64_t> positions);

    [[nodiscard]] std::size_t tokens() const { return positions_.size(); }
    [[nodiscard]] std::span<const std::int64_t> positions() const { return positions_; }
    // One channel's Δ before any method. [tokens]
    void copy_delta(std::int64_t channel, std::span<float> delta) const;
    // What the scan of the channel reads, with `delta` as the method leaves it; `a` of the layer.
    [[nodiscard]] context::ChannelInputs channel(std::int64_t channel, std::span<const float> delta,
                                                 std::span<const float> a) const;
    // ‖Δ‖₂ over the channels of a token.
    [[nodiscard]] double norm(std::size_t token) const;

private:
    std::int64_t channels_;
    std::int64_t groups_;
    std::int64_t states_;
    std::vector<std::int64_t> positions_;  // in the prompt
    std::vector<float> delta_;             // [tokens, channels]
    std::vector<float> b_;                 // [tokens, groups * states]
    std::vector<float> c_;                 // [tokens, groups * states]
};

}  // namespace sipo
