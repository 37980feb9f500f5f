// All that a session remembers. What a checkpoint keeps, a fork copies and a snapshot stores.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "session/device_logits.hpp"
#include "session/recurrent_state.hpp"
#include "session/sampler.hpp"

namespace sipo {

// Hash of the tokens of a sequence, one after the other: the same however they were cut into
// calls. An equal hash is a strong hint, no proof.
[[nodiscard]] std::uint64_t extend_token_hash(std::uint64_t hash,
                                              std::span<const std::int32_t> ids);

struct SessionState {
    SessionState(backend::Stream& stream, const Architecture& arch)
        : recurrent(stream, arch), logits(stream, arch.vocab_size) {}

    // All or nothing, unless the device fails.
    void copy_from(backend::Stream& stream, const SessionState& other);
    void clear(backend::Stream& stream);
    // What a state takes that has read nothing.
    [[nodiscard]] static std::int64_t bytes(const backend::Backend& backend,
                                            const Architecture& arch);
    // What this one has on the host on top.
    [[nodiscard]] std::int64_t host_bytes() const;
    [[nodiscard]] bool has_logits() const { return position > 0; }

    backend::Identity identity = std::make_shared<char>();  // of the two that follow
    RecurrentState recurrent;
    DeviceLogits logits;                            // after the last token, when there is one
    std::int64_t position = 0;                      // tokens read
    std::int64_t prompt_length = 0;                 // of the last prefill
    std::optional<std::vector<std::int64_t>> kept;  // of the last prefill; nothing: all
    std::uint64_t token_hash = 0;
    std::optional<SamplerState> sampler;  // where the last generation stopped
    bool broken = false;                  // a step failed half-way
};

}  // namespace sipo
