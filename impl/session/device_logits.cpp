#include "session/device_logits.hpp"

#include <utility>

namespace sipo {

using backend::View;

void DeviceLogits::replaced(backend::Stream& stream, std::int32_t likeliest) {
    likeliest_ = likeliest;
    fetched_ = false;
    if (std::exchange(wanted_, false)) fetch(stream);
}

void DeviceLogits::copy(backend::Stream& stream, View logits) {
    stream.copy(logits, row());
    search(stream);
}

void DeviceLogits::upload(backend::Stream& stream, std::span<const float> logits) {
    stream.upload(logits, row());
    search(stream);
}

void DeviceLogits::search(backend::Stream& stream) {
    std::int32_t token = -1;
    stream.likeliest(row(), {&token, 1});
    replaced(stream, token);
}

void DeviceLogits::copy_from(backend::Stream& stream, const DeviceLogits& other) {
    stream.copy(other.row(), row());
    likeliest_ = other.likeliest_;
    fetched_ = false;
    wanted_ = false;
}

void DeviceLogits::fetch(backend::Stream& stream) const {
    host_.resize(static_cast<std::size_t>(row_->cols()));
    stream.download(row(), host_);
    fetched_ = true;
}

std::span<const float> DeviceLogits::values() const {
    wanted_ = true;
    return host_;
}

std::int64_t DeviceLogits::host_bytes() const {
    return static_cast<std::int64_t>(host_.size() * sizeof(float));
}

}  // namespace sipo
