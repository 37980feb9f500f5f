#include "session/recurrent_state.hpp"

#include "base/checked.hpp"

namespace sipo {

using backend::View;

namespace {

struct Shape {
    std::int64_t rows;
    std::int64_t cols;
};

Shape conv_shape(const Architecture& arch) { return {arch.d_conv - 1, arch.conv_channels()}; }

Shape ssm_shape(const Architecture& arch) {
    if (arch.is_mamba1()) return {arch.d_state, arch.d_inner};
    return {arch.n_heads * arch.d_state, arch.head_dim};
}

}  // namespace

RecurrentState::RecurrentState(backend::Stream& stream, const Architecture& arch) {
    const Shape conv = conv_shape(arch);
    const Shape ssm = ssm_shape(arch);
    layers_.reserve(static_cast<std::size_t>(arch.n_layers));
    for (std::int64_t i = 0; i < arch.n_layers; ++i) {
        layers_.push_back(
            {stream.allocate(conv.rows, conv.cols), stream.allocate(ssm.rows, ssm.cols)});
    }
}

std::int64_t RecurrentState::bytes(const backend::Backend& backend, const Architecture& arch) {
    const Shape conv = conv_shape(arch);
    const Shape ssm = ssm_shape(arch);
    const std::int64_t layer =
        checked_add(backend.buffer_bytes(conv.rows, conv.cols),
                    backend.buffer_bytes(ssm.rows, ssm.cols) + std::int64_t{sizeof(Buffers)});
    return checked_mul(arch.n_layers, layer);
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
