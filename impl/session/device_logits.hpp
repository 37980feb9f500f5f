// The logits after a token, which stay where they were computed: the host gets the likeliest token
// with them, and a copy of all when somebody asks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.hpp"

namespace sipo {

// What takes a stream belongs into a turn of its machinery.
class DeviceLogits {
public:
    DeviceLogits(backend::Stream& stream, std::int64_t vocab_size)
        : row_(stream.allocate(1, vocab_size)) {}

    // [1, vocab_size]. Who writes into it tells by replaced().
    [[nodiscard]] backend::View row() const { return backend::View(*row_); }
    // `likeliest` as Stream::likeliest() gives it. Who wanted the values of the logits before will
    // want these: they are fetched at once, so that it takes no turn of their own.
    void replaced(backend::Stream& stream, std::int32_t likeliest);
    // Become logits [1, vocab_size] of the same backend, or of the host.
    void copy(backend::Stream& stream, backend::View logits);
    void upload(backend::Stream& stream, std::span<const float> logits);
    void copy_from(backend::Stream& stream, const DeviceLogits& other);

    // The index of the largest, the first of equal ones; -1 when that is not finite.
    [[nodiscard]] std::int32_t likeliest() const { return likeliest_; }
    // The copy on the host. Used by one thread at a time, as its session is.
    [[nodiscard]] bool is_fetched() const { return fetched_; }
    void fetch(backend::Stream& stream) const;
    // [vocab_size]; fetched before.
    [[nodiscard]] std::span<const float> values() const;
    [[nodiscard]] std::int64_t host_bytes() const;

private:
    void search(backend::Stream& stream);

    backend::BufferPtr row_;
    std::int32_t likeliest_ = -1;
    mutable std::vector<float> host_;
    mutable bool fetched_ = false;
    mutable bool wanted_ = false;  // since they were replaced
};

}  // namespace sipo
