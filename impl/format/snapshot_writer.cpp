#include <snapshot_generated.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.hpp"
#include "format/layout.hpp"
#include "format/snapshot_format.hpp"

namespace sipo {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

Offset<snapshot_schema::Payload> put(FlatBufferBuilder& out, const Payload& payload) {
    std::vector<snapshot_schema::Frame> frames;
    for (const Frame& frame : payload.frames) {
        frames.emplace_back(frame.offset, frame.stored_bytes, frame.raw_bytes, frame.checksum);
    }
    const auto list = out.CreateVectorOfStructs(frames);
    return snapshot_schema::CreatePayload(
        out, static_cast<snapshot_schema::Encoding>(payload.encoding), payload.raw_bytes, list);
}

Offset<snapshot_schema::Payload> put(FlatBufferBuilder& out,
                                     const std::optional<Payload>& payload) {
    return payload ? put(out, *payload) : 0;
}

Offset<snapshot_schema::Sampler> put(FlatBufferBuilder& out,
                                     const std::optional<SnapshotHeader::Sampler>& sampler) {
    if (!sampler) return 0;
    const auto recent = out.CreateVector(sampler->recent);
    return snapshot_schema::CreateSampler(out, sampler->random, recent);
}

void put(FlatBufferBuilder& out, const SnapshotHeader& header, const std::string& writer) {
    std::vector<Offset<snapshot_schema::Payload>> states;
    for (const Payload& state : header.states) states.push_back(put(out, state));
    const auto method = out.CreateString(header.method);
    const auto sampler = put(out, header.sampler);
    const auto list = out.CreateVector(states);
    const auto logits = put(out, header.logits);
    const auto kept = put(out, header.kept);
    const auto ids = put(out, header.ids);
    const auto name = out.CreateString(writer);
    snapshot_schema::FinishSnapshotBuffer(
        out, snapshot_schema::CreateSnapshot(
                 out, header.model.low, header.model.high, method, header.plan_key, header.position,
                 header.prompt_length, header.token_hash, sampler, list, logits, kept, ids, name));
}

}  // namespace

void MemorySink::patch(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (offset > bytes_.size() || bytes.size() > bytes_.size() - offset) {
        fail(Code::internal, "a patch of ", bytes.size(), " bytes at ", offset, " is past the end");
    }
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
}

SnapshotWriter::SnapshotWriter(Sink& sink, Encoding encoding) : sink_(sink), encoding_(encoding) {
    sink_.write(std::array<std::byte, prelude_bytes>{});
}

Payload SnapshotWriter::write(std::span<const std::byte> bytes) {
    Payload payload{.encoding = encoding_, .raw_bytes = bytes.size(), .frames = {}};
    while (!bytes.empty()) {
        const std::size_t size = std::min<std::size_t>(bytes.size(), max_frame_bytes);
        payload.frames.push_back(append(bytes.first(size)));
        bytes = bytes.subspan(size);
    }
    return payload;
}

Frame SnapshotWriter::append(std::span<const std::byte> raw) {
    pad();
    const auto stored = encoder_.encode(raw, encoding_, snapshot_plane_bytes);
    const Frame frame{.offset = sink_.position(),
                      .stored_bytes = stored.size(),
                      .raw_bytes = raw.size(),
                      .checksum = checksum_of(stored)};
    sink_.write(stored);
    return frame;
}

void SnapshotWriter::finish(const SnapshotHeader& header, const std::string& writer) {
    FlatBufferBuilder out;
    put(out, header, writer);
    const auto bytes = std::as_bytes(std::span(out.GetBufferPointer(), out.GetSize()));
    if (bytes.size() > max_snapshot_header_bytes) {
        fail(Code::internal, "a snapshot's header of ", bytes.size(), " bytes");
    }
    pad();
    const Prelude prelude{.header_offset = sink_.position(),
                          .header_bytes = bytes.size(),
                          .header_checksum = checksum_of(bytes)};
    sink_.write(bytes);
    sink_.patch(0, encode_prelude(prelude, FileKind::snapshot));
}

void SnapshotWriter::pad() {
    constexpr std::array<std::byte, payload_alignment> zeros{};
    const std::size_t over = sink_.position() % payload_alignment;
    if (over > 0) sink_.write(std::span(zeros).first(payload_alignment - over));
}

}  // namespace sipo
