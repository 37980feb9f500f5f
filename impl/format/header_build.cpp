#include <sipo_generated.h>

#include <algorithm>

#include "format/header.hpp"

namespace sipo {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

Offset<schema::Architecture> build(FlatBufferBuilder& out, const Architecture& a) {
    return schema::CreateArchitecture(
        out, static_cast<schema::Family>(a.family), a.n_layers, a.d_model, a.d_inner, a.d_state,
        a.d_conv, a.dt_rank, a.n_heads, a.head_dim, a.n_groups, a.vocab_size, a.norm_eps,
        a.delta_min, a.delta_max, a.tied_head, a.conv_bias, a.linear_bias, a.end_of_text,
        a.training_length, a.mixer_rms_eps);
}

Offset<schema::Provenance> build(FlatBufferBuilder& out, const Provenance& provenance) {
    const auto source = out.CreateString(provenance.source);
    const auto importer = out.CreateString(provenance.importer);
    const auto note = out.CreateString(provenance.note);
    return schema::CreateProvenance(out, source, importer, note);
}

Offset<schema::Payload> build(FlatBufferBuilder& out, const Payload& payload) {
    std::vector<schema::Frame> frames;
    frames.reserve(payload.frames.size());
    for (const Frame& frame : payload.frames) {
        frames.emplace_back(frame.offset, frame.stored_bytes, frame.raw_bytes, frame.checksum);
    }
    const auto list = out.CreateVectorOfStructs(frames);
    return schema::CreatePayload(out, static_cast<schema::Encoding>(payload.encoding),
                                 payload.raw_bytes, list);
}

Offset<schema::Tensor> build(FlatBufferBuilder& out, const TensorEntry& tensor) {
    const auto name = out.CreateString(tensor.name);
    const auto shape = out.CreateVector(tensor.shape);
    const auto payload = build(out, tensor.payload);
    return schema::CreateTensor(out, name, static_cast<schema::DType>(tensor.dtype), shape,
                                payload);
}

Offset<schema::Blob> build(FlatBufferBuilder& out, const BlobEntry& blob) {
    const auto name = out.CreateString(blob.name);
    const auto payload = build(out, blob.payload);
    return schema::CreateBlob(out, name, payload);
}

Offset<schema::Settings> build(FlatBufferBuilder& out,
                               const std::optional<ProfileSettings>& settings) {
    if (!settings) return 0;
    const auto layers = out.CreateVector(settings->layers);
    return schema::CreateSettings(out, settings->method, settings->global_threshold, layers,
                                  settings->decimation_rate, settings->decimation_capacity);
}

Offset<schema::Profile> build(FlatBufferBuilder& out, const ProfileEntry& profile) {
    const auto name = out.CreateString(profile.name);
    const auto lengths = out.CreateVector(profile.lengths);
    const auto log_decay = build(out, profile.log_decay);
    const auto threshold_table = build(out, profile.threshold_table);
    const auto settings = build(out, profile.settings);
    return schema::CreateProfile(out, name, profile.training_length, profile.sequences,
                                 profile.clamp, profile.layers, profile.channels, lengths,
                                 log_decay, threshold_table, settings);
}

template <typename Table, typename Entry>
auto build_list(FlatBufferBuilder& out, const std::vector<Entry>& entries) {
    std::vector<Offset<Table>> offsets;
    offsets.reserve(entries.size());
    for (const Entry& entry : entries) offsets.push_back(build(out, entry));
    return out.CreateVector(offsets);
}

}  // namespace

std::vector<std::byte> build_header(const Contents& contents) {
    FlatBufferBuilder out;
    const auto architecture = build(out, contents.architecture);
    const auto provenance = build(out, contents.provenance);
    const auto tensors = build_list<schema::Tensor>(out, contents.tensors);
    const auto blobs = build_list<schema::Blob>(out, contents.blobs);
    const auto profiles = build_list<schema::Profile>(out, contents.profiles);
    const auto header =
        schema::CreateHeader(out, architecture, provenance, tensors, blobs, profiles);
    schema::FinishHeaderBuffer(out, header);
    const auto bytes = std::as_bytes(std::span(out.GetBufferPointer(), out.GetSize()));
    return {bytes.begin(), bytes.end()};
}

}  // namespace sipo
