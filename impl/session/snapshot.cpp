#include "session/snapshot.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace sipo {
namespace {

using backend::View;

constexpr std::int64_t furthest = std::int64_t{1} << 60;  // position: room to add to it

std::vector<View> views_of(const RecurrentState& state, std::int64_t layers) {
    std::vector<View> views;
    for (std::int64_t i = 0; i < layers; ++i) {
        const LayerState layer = state.layer(i);
        views.push_back(layer.conv_state);
        views.push_back(layer.ssm_state);
    }
    return views;
}

std::uint64_t elements(const View& view) {
    return static_cast<std::uint64_t>(view.rows * view.cols);
}

void check_model(const SnapshotHeader& header, const OpenModel& model) {
    if (header.model == model.fingerprint()) return;
    fail(Code::invalid_argument, "the snapshot is of model ", text_of(header.model),
         "; the session's is ", text_of(model.fingerprint()));
}

void check_sampler(const SnapshotHeader& header, const OpenModel& model) {
    if (!header.sampler) return;
    const std::int64_t vocab = model.architecture().vocab_size;
    for (const std::int32_t token : header.sampler->recent) {
        if (token < 0 || token >= vocab) {
            fail(Code::corrupt_file, "the snapshot's sampler remembers token ", token,
                 "; legal are 0 to ", vocab - 1);
        }
    }
}

void check_kept(std::span<const std::int64_t> kept, std::int64_t prompt_length) {
    const bool ascending = std::is_sorted(kept.begin(), kept.end(), std::less_equal<>());
    const bool inside = kept.empty() || (kept.front() >= 0 && kept.back() < prompt_length);
    if (!ascending || !inside) fail(Code::corrupt_file, "the snapshot kept impossible tokens");
}

// Everything but the recurrent state, checked.
struct Remembered {
    std::vector<float> logits;
    std::optional<std::vector<std::int64_t>> kept;
};

Remembered read_rest(SnapshotReader& reader, const OpenModel& model) {
    const SnapshotHeader& header = reader.header();
    Remembered rest;
    if (header.logits) {
        const auto vocab = static_cast<std::uint64_t>(model.architecture().vocab_size);
        std::vector<float> room;
        const auto values = reader.read(*header.logits, vocab, room);
        rest.logits.assign(values.begin(), values.end());
    }
    if (header.logits.has_value() != (header.position > 0) || header.position > furthest) {
        fail(Code::corrupt_file, "the snapshot has an impossible position");
    }
    if (header.kept) {
        const std::uint64_t count = header.kept->raw_bytes / sizeof(std::int64_t);
        if (count > static_cast<std::uint64_t>(header.prompt_length)) {
            fail(Code::corrupt_file, "the snapshot kept more tokens than there were");
        }
        std::vector<std::int64_t> room;
        const auto values = reader.read(*header.kept, count, room);
        rest.kept.emplace(values.begin(), values.end());
        check_kept(*rest.kept, header.prompt_length);
    }
    return rest;
}

}  // namespace

void write_snapshot(Sink& sink, Encoding encoding, backend::Stream& stream, const OpenModel& model,
                    const SessionState& state, const SnapshotLabel& label) {
    SnapshotWriter writer(sink, encoding);
    SnapshotHeader header{.model = model.fingerprint(),
                          .method = label.method,
                          .plan_key = label.plan_key,
                          .position = state.position,
                          .prompt_length = state.prompt_length,
                          .token_hash = state.token_hash,
                          .sampler = std::nullopt,
                          .states = {},
                          .logits = std::nullopt,
                          .kept = std::nullopt,
                          .ids = std::nullopt};
    if (state.sampler) header.sampler = {state.sampler->random, state.sampler->recent};
    std::vector<float> values;
    const auto write = [&](const View& view) {
        values.resize(elements(view));
        stream.download(view, values);
        return writer.write(std::as_bytes(std::span(values)));
    };
    for (const View& view : views_of(state.recurrent, model.architecture().n_layers)) {
        header.states.push_back(write(view));
    }
    if (state.has_logits()) header.logits = write(state.logits.row());
    if (state.kept) header.kept = writer.write(std::as_bytes(std::span(*state.kept)));
    if (!label.ids.empty()) header.ids = writer.write(std::as_bytes(label.ids));
    writer.finish(header, join("sipo ", SIPO_VERSION_STRING));
}

std::size_t snapshot_bytes(const OpenModel& model, const SessionState& state,
                           const SnapshotLabel& label) {
    const auto layers = static_cast<std::size_t>(model.architecture().n_layers);
    const std::size_t kept = state.kept ? state.kept->size() : 0;
    const std::size_t recent = state.sampler ? state.sampler->recent.size() : 0;
    const std::size_t fixed = 4096 + layers * 512 + label.method.size();
    return fixed + static_cast<std::size_t>(model.state_bytes()) +
           elements(state.logits.row()) * sizeof(float) + kept * sizeof(std::int64_t) +
           (recent + label.ids.size()) * sizeof(std::int32_t);
}

void read_snapshot(SnapshotReader& reader, backend::Stream& stream, const OpenModel& model,
                   SessionState& state) {
    const SnapshotHeader& header = reader.header();
    check_model(header, model);
    check_sampler(header, model);
    const std::vector<View> views = views_of(state.recurrent, model.architecture().n_layers);
    if (header.states.size() != views.size()) {
        fail(Code::corrupt_file, "the snapshot has ", header.states.size(), " states; the model ",
             views.size());
    }
    std::vector<std::vector<float>> rooms(views.size());
    std::vector<std::span<const float>> values;
    for (std::size_t i = 0; i < views.size(); ++i) {
        values.push_back(reader.read(header.states[i], elements(views[i]), rooms[i]));
    }
    Remembered rest = read_rest(reader, model);
    // Everything has been checked; only the device can fail now.
    for (std::size_t i = 0; i < views.size(); ++i) stream.upload(values[i], views[i]);
    if (header.logits) state.logits.upload(stream, rest.logits);
    state.kept = std::move(rest.kept);
    state.position = header.position;
    state.prompt_length = header.prompt_length;
    state.token_hash = header.token_hash;
    state.broken = false;
    state.sampler.reset();
    if (header.sampler)
        state.sampler = SamplerState{header.sampler->random, header.sampler->recent};
}

}  // namespace sipo
