// Session states as bytes: what is stored of a SessionState and what is checked before one is
// believed. The wire format is format/snapshot_format's business.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "format/snapshot_format.hpp"
#include "session/open_model.hpp"
#include "session/session_state.hpp"

namespace sipo {

// What a stored state belongs to, beside its model.
struct SnapshotLabel {
    std::string method;          // of the session, in words
    std::uint64_t plan_key = 0;  // of an entry of a prefix cache, as the next
    std::span<const std::int32_t> ids;
};

// Writes through a buffer of one layer's size, so that the bytes are checksummed and written while
// they are in the processor's cache.
void write_snapshot(Sink& sink, Encoding encoding, backend::Stream& stream, const OpenModel& model,
                    const SessionState& state, const SnapshotLabel& label);

// About what a raw snapshot takes, a little too much rather than too little.
[[nodiscard]] std::size_t snapshot_bytes(const OpenModel& model, const SessionState& state,
                                         const SnapshotLabel& label);

// Fills `state`, of the same model; untouched on an exception. Throws Code::corrupt_file,
// Code::unsupported for a newer format and Code::invalid_argument for a snapshot of another model.
void read_snapshot(SnapshotReader& reader, backend::Stream& stream, const OpenModel& model,
                   SessionState& state);

}  // namespace sipo
