#include "session/recurrent_state.hpp"

namespace sipo {

using backend::View;

RecurrentState::RecurrentState(backend::Stream& stream, const Architecture& arch) {
    const bool mamba1 = arch.is_mamba1();
    const std::int64_t rows = mamba1 ? arch.d_state : arch.n_heads * arch.d_state;
    const std::int64_t cols = mamba1 ? arch.d_inner : arch.head_dim;
    for (std::int64_t i = 0; i < arch.n_layers; ++i) {
        layers_.push_back(
            {stream.allocate(arch.d_conv - 1, arch.conv_channels()), stream.allocate(rows, cols)});
    }
}

LayerState RecurrentState::layer(std::int64_t index) const {
    const Buffers& buffers = layers_[static_cast<std::size_t>(index)];
    return {View(*buffers.conv_state), View(*buffers.ssm_state)};
}

void RecurrentState::clear(backend::Stream& stream) const {
    for (const Buffers& buffers : layers_) {
        stream.fill_zero(View(*buffers.conv_state));
        stream.fill_zero(View(*buffers.ssm_state));
    }
}

void RecurrentState::copy_from(backend::Stream& stream, const RecurrentState& other) const {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        stream.copy(View(*other.layers_[i].conv_state), View(*layers_[i].conv_state));
        stream.copy(View(*other.layers_[i].ssm_state), View(*layers_[i].ssm_state));
    }
}

}  // namespace sipo
