#include "session/session_state.hpp"

#include <utility>

#include "base/checked.hpp"
#include "base/random.hpp"

namespace sipo {

std::uint64_t extend_token_hash(std::uint64_t hash, std::span<const std::int32_t> ids) {
    for (const std::int32_t id : ids) {
        hash = SplitMix64(hash ^ (static_cast<std::uint64_t>(id) + 1)).next();
    }
    return hash;
}

void SessionState::copy_from(backend::Stream& stream, const SessionState& other) {
    // What may lack memory comes first.
    std::optional<std::vector<std::int64_t>> new_kept = other.kept;
    std::optional<SamplerState> new_sampler = other.sampler;
    recurrent.copy_from(stream, other.recurrent);
    logits.copy_from(stream, other.logits);
    kept.swap(new_kept);
    sampler.swap(new_sampler);
    position = other.position;
    prompt_length = other.prompt_length;
    token_hash = other.token_hash;
    broken = other.broken;
}

void SessionState::clear(backend::Stream& stream) {
    recurrent.clear(stream);
    position = 0;
    prompt_length = 0;
    kept.reset();
    token_hash = 0;
    sampler.reset();
    broken = false;
}

std::int64_t SessionState::bytes(const backend::Backend& backend, const Architecture& arch) {
    constexpr std::int64_t identity_bytes = 32;
    return checked_add(RecurrentState::bytes(backend, arch),
                       backend.buffer_bytes(1, arch.vocab_size) + identity_bytes);
}

std::int64_t SessionState::host_bytes() const {
    const std::size_t tokens = kept ? kept->size() * sizeof(std::int64_t) : 0;
    return logits.host_bytes() + static_cast<std::int64_t>(tokens);
}

}  // namespace sipo
