#include "session/layer_record.hpp"

#include <algorithm>
#include <cmath>

#include "base/checked.hpp"

namespace sipo {
namespace {

using backend::View;

// Appends the visited rows of `from` to `to`.
void append_rows(backend::Stream& stream, View from, const std::vector<std::int64_t>* rows,
                 std::vector<float>& to) {
    const auto width = static_cast<std::size_t>(from.cols);
    std::vector<float> chunk(static_cast<std::size_t>(from.rows) * width);
    stream.download(from, chunk);
    if (rows == nullptr) {
        to.insert(to.end(), chunk.begin(), chunk.end());
        return;
    }
    for (const std::int64_t row : *rows) {
        const auto first = chunk.begin() + row * from.cols;
        to.insert(to.end(), first, first + from.cols);
    }
}

std::int64_t groups_of(const Architecture& arch) { return arch.is_mamba1() ? 1 : arch.n_groups; }

}  // namespace

std::int64_t LayerRecord::bytes(const Architecture& arch, std::int64_t tokens) {
    const std::int64_t floats = arch.delta_channels() + 2 * groups_of(arch) * arch.d_state;
    return checked_mul(tokens,
                       floats * std::int64_t{sizeof(float)} + std::int64_t{sizeof(std::int64_t)});
}

LayerRecord::LayerRecord(const Architecture& arch, std::int64_t tokens)
    : channels_(arch.delta_channels()), groups_(groups_of(arch)), states_(arch.d_state) {
    positions_.reserve(static_cast<std::size_t>(tokens));
    delta_.reserve(static_cast<std::size_t>(tokens * channels_));
    b_.reserve(static_cast<std::size_t>(tokens * groups_ * states_));
    c_.reserve(b_.capacity());
}

void LayerRecord::clear() {
    positions_.clear();
    delta_.clear();
    b_.clear();
    c_.clear();
}

void LayerRecord::add(backend::Stream& stream, const backend::ScanInputs& inputs,
                      std::span<const std::int64_t> positions) {
    const auto before = static_cast<std::ptrdiff_t>(delta_.size());
    append_rows(stream, inputs.delta, inputs.rows, delta_);
    append_rows(stream, inputs.b, inputs.rows, b_);
    append_rows(stream, inputs.c, inputs.rows, c_);
    if (!std::all_of(delta_.begin() + before, delta_.end(),
                     [](float step) { return std::isfinite(step); })) {
        fail(Code::backend_error, "a layer gives a Δ that is not a finite number");
    }
    positions_.insert(positions_.end(), positions.begin(), positions.end());
}

void LayerRecord::copy_delta(std::int64_t channel, std::span<float> delta) const {
    for (std::size_t t = 0; t < tokens(); ++t) {
        delta[t] =
            delta_[t * static_cast<std::size_t>(channels_) + static_cast<std::size_t>(channel)];
    }
}

context::ChannelInputs LayerRecord::channel(std::int64_t channel, std::span<const float> delta,
                                            std::span<const float> a) const {
    const std::size_t rates = a.size() / static_cast<std::size_t>(channels_);
    const std::int64_t group = channel / (channels_ / groups_);
    const std::int64_t first = groups_ == 1 ? 0 : group * states_;
    return {.delta = delta,
            .a = a.subspan(static_cast<std::size_t>(channel) * rates, rates),
            .b = b_.data() + first,
            .c = c_.data() + first,
            .states = static_cast<std::size_t>(states_),
            .stride = static_cast<std::size_t>(groups_ * states_)};
}

double LayerRecord::norm(std::size_t token) const {
    const auto width = static_cast<std::size_t>(channels_);
    double sum = 0.0;
    for (const float step : std::span(delta_).subspan(token * width, width)) {
        sum += static_cast<double>(step) * static_cast<double>(step);
    }
    return std::sqrt(sum);
}

}  // namespace sipo
