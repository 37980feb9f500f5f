#include "format/container.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/quote.hpp"
#include "format/frame_codec.hpp"
#include "format/header.hpp"
#include "format/lending_pool.hpp"

namespace sipo {
namespace {

std::string text_of(std::span<const std::int64_t> shape) {
    std::string text = "[";
    for (const std::int64_t size : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(size);
    return text + "]";
}

// Where each frame's raw bytes start in the payload, and the end of the last.
std::vector<std::size_t> starts_of(const Payload& payload) {
    std::vector<std::size_t> starts = {0};
    for (const Frame& frame : payload.frames) starts.push_back(starts.back() + frame.raw_bytes);
    return starts;
}

}  // namespace

struct Container::State {
    State(MappedFile mapped, std::string name)
        : file(std::move(mapped)),
          source(std::move(name)),
          header(open_header(file.bytes(), source)) {
        for (const TensorEntry& tensor : header.contents.tensors)
            by_name.emplace(tensor.name, &tensor);
    }

    [[nodiscard]] std::span<const std::byte> checked_bytes(const Frame& frame,
                                                           std::string_view name) const {
        const auto stored = file.bytes().subspan(frame.offset, frame.stored_bytes);
        if (checksum_of(stored) != frame.checksum) {
            fail(Code::corrupt_file, source, ": ", quote(name), " is damaged near byte ",
                 frame.offset);
        }
        return stored;
    }

    void read_frame(const Payload& payload, std::size_t index, std::size_t element_bytes,
                    std::string_view name, std::span<std::byte> out) const {
        const Frame& frame = payload.frames.at(index);
        if (out.size() != frame.raw_bytes) {
            fail(Code::invalid_argument, "a frame of ", frame.raw_bytes, " bytes read into ",
                 out.size());
        }
        const auto stored = checked_bytes(frame, name);
        try {
            decoders.borrow()->decode(stored, payload.encoding, element_bytes, out);
        } catch (const Error& error) {
            fail(error.code(), source, ": ", quote(name), ": ", error.what());
        }
    }

    void read(const Payload& payload, std::size_t element_bytes, std::string_view name,
              std::span<std::byte> out) const {
        for (std::size_t i = 0; i < payload.frames.size(); ++i) {
            const std::size_t size = payload.frames[i].raw_bytes;
            read_frame(payload, i, element_bytes, name, out.first(size));
            out = out.subspan(size);
        }
    }

    [[nodiscard]] std::vector<float> read_floats(const Payload& payload,
                                                 std::string_view name) const {
        std::vector<float> values(payload.raw_bytes / sizeof(float));
        read(payload, sizeof(float), name, std::as_writable_bytes(std::span(values)));
        return values;
    }

    MappedFile file;
    std::string source;
    OpenedHeader header;
    std::unordered_map<std::string_view, const TensorEntry*> by_name;  // names live in `header`
    mutable LendingPool<FrameDecoder> decoders;
};

Container Container::open(const std::filesystem::path& path) {
    return Container(std::make_unique<State>(MappedFile(path), path.string()));
}

Container::Container(std::unique_ptr<State> state) : state_(std::move(state)) {}
Container::~Container() = default;
Container::Container(Container&&) noexcept = default;
Container& Container::operator=(Container&&) noexcept = default;

const Contents& Container::contents() const noexcept { return state_->header.contents; }

const Architecture& Container::architecture() const noexcept { return contents().architecture; }

const Provenance& Container::provenance() const noexcept { return contents().provenance; }

std::uint32_t Container::minor_version() const noexcept { return state_->header.prelude.minor; }

std::string Container::tokenizer_json() const {
    for (const BlobEntry& blob : contents().blobs) {
        if (blob.name != tokenizer_blob) continue;
        std::string text(blob.payload.raw_bytes, '\0');
        state_->read(blob.payload, 1, blob.name, std::as_writable_bytes(std::span(text)));
        return text;
    }
    fail(Code::not_found, state_->source, " has no tokenizer");
}

std::vector<std::string> Container::profile_names() const {
    std::vector<std::string> names;
    for (const ProfileEntry& profile : contents().profiles) names.push_back(profile.name);
    return names;
}

CalibrationProfile Container::profile(std::string_view name) const {
    const auto& profiles = contents().profiles;
    const auto entry = std::find_if(profiles.begin(), profiles.end(),
                                    [&](const ProfileEntry& p) { return p.name == name; });
    if (entry == profiles.end()) {
        std::string known;
        for (const ProfileEntry& p : profiles) known += (known.empty() ? "" : ", ") + quote(p.name);
        fail(Code::not_found, state_->source, " has no calibration profile ", quote(name),
             known.empty() ? "; it has none" : "; it has " + known);
    }
    CalibrationProfile profile{.name = entry->name,
                               .training_length = entry->training_length,
                               .sequences = entry->sequences,
                               .clamp = entry->clamp,
                               .layers = entry->layers,
                               .channels = entry->channels,
                               .lengths = entry->lengths,
                               .log_decay = state_->read_floats(entry->log_decay, name),
                               .threshold_table = state_->read_floats(entry->threshold_table, name),
                               .settings = entry->settings};
    try {
        validate(profile);
    } catch (const Error& error) {
        fail(Code::corrupt_file, state_->source, ": ", error.what());
    }
    return profile;
}

std::span<const TensorEntry> Container::tensors() const noexcept { return contents().tensors; }

const TensorEntry* Container::find(std::string_view name) const noexcept {
    const auto found = state_->by_name.find(name);
    return found == state_->by_name.end() ? nullptr : found->second;
}

const TensorEntry& Container::require(std::string_view name,
                                      std::span<const std::int64_t> shape) const {
    const TensorEntry* const entry = find(name);
    if (entry == nullptr) fail(Code::corrupt_file, state_->source, " has no tensor ", quote(name));
    if (!std::equal(shape.begin(), shape.end(), entry->shape.begin(), entry->shape.end())) {
        fail(Code::corrupt_file, state_->source, ": ", quote(name), " has the shape ",
             text_of(entry->shape), "; the model needs ", text_of(shape));
    }
    return *entry;
}

void Container::read_frame(const TensorEntry& entry, std::size_t index,
                           std::span<std::byte> out) const {
    if (index >= frame_count(entry)) {
        fail(Code::out_of_range, quote(entry.name), " has ", frame_count(entry), " frames, not ",
             index + 1);
    }
    state_->read_frame(entry.payload, index, plane_count(entry.dtype), entry.name, out);
}

void Container::read(const TensorEntry& entry, ThreadPool& pool, std::span<std::byte> out) const {
    if (out.size() != entry.payload.raw_bytes) {
        fail(Code::invalid_argument, quote(entry.name), " has ", entry.payload.raw_bytes,
             " bytes, read into ", out.size());
    }
    const std::vector<std::size_t> starts = starts_of(entry.payload);
    pool.run(frame_count(entry), [&](std::size_t i) {
        read_frame(entry, i, out.subspan(starts[i], starts[i + 1] - starts[i]));
    });
}

std::vector<std::byte> Container::read(const TensorEntry& entry, ThreadPool& pool) const {
    std::vector<std::byte> bytes(entry.payload.raw_bytes);
    read(entry, pool, bytes);
    return bytes;
}

std::optional<std::span<const std::byte>> Container::raw_view(const TensorEntry& entry) const {
    const auto& frames = entry.payload.frames;
    if (entry.payload.encoding != Encoding::raw || frames.empty()) return std::nullopt;
    const auto gap = std::adjacent_find(
        frames.begin(), frames.end(),
        [](const Frame& a, const Frame& b) { return a.offset + a.stored_bytes != b.offset; });
    if (gap != frames.end()) return std::nullopt;
    return state_->file.bytes().subspan(frames.front().offset, entry.payload.raw_bytes);
}

void Container::verify(const TensorEntry& entry, ThreadPool& pool) const {
    pool.run(frame_count(entry), [&](std::size_t i) {
        static_cast<void>(state_->checked_bytes(entry.payload.frames[i], entry.name));
    });
}

}  // namespace sipo
