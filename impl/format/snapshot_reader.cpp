#include <snapshot_generated.h>

#include <algorithm>

#include "base/error.hpp"
#include "format/layout.hpp"
#include "format/snapshot_format.hpp"

namespace sipo {
namespace {

constexpr std::size_t max_states = 65536;
constexpr std::size_t max_method_bytes = 65536;
constexpr std::size_t max_recent = std::size_t{1} << 24;

// Copies the verified FlatBuffer out and checks every frame's place.
class SnapshotParser {
public:
    SnapshotParser(std::uint64_t payload_end, const std::string& source)
        : payload_end_(payload_end), source_(source) {}

    [[nodiscard]] SnapshotHeader parse(const snapshot_schema::Snapshot& from) {
        SnapshotHeader header;
        header.model = {from.model_low(), from.model_high()};
        if (from.method()->size() > max_method_bytes) damaged("an endless method");
        header.method = from.method()->str();
        header.plan_key = from.plan_key();
        header.position = from.position();
        header.prompt_length = from.prompt_length();
        header.token_hash = from.token_hash();
        if (from.sampler() != nullptr) header.sampler = parse(*from.sampler());
        if (from.states() != nullptr) {
            if (from.states()->size() > max_states) damaged("too many states");
            for (const auto* const state : *from.states()) header.states.push_back(parse(*state));
        }
        header.logits = parse(from.logits());
        header.kept = parse(from.kept());
        header.ids = parse(from.ids());
        if (header.position < 0 || header.prompt_length < 0 ||
            header.prompt_length > header.position) {
            damaged("impossible positions");
        }
        check_overlaps();
        return header;
    }

private:
    [[nodiscard]] SnapshotHeader::Sampler parse(const snapshot_schema::Sampler& sampler) const {
        SnapshotHeader::Sampler parsed{.random = sampler.random(), .recent = {}};
        if (sampler.recent() != nullptr) {
            if (sampler.recent()->size() > max_recent) damaged("an endless window of tokens");
            parsed.recent.assign(sampler.recent()->begin(), sampler.recent()->end());
        }
        return parsed;
    }

    [[nodiscard]] std::optional<Payload> parse(const snapshot_schema::Payload* payload) {
        if (payload == nullptr) return std::nullopt;
        return parse(*payload);
    }

    [[nodiscard]] Payload parse(const snapshot_schema::Payload& from) {
        if (from.encoding() != snapshot_schema::Encoding::raw &&
            from.encoding() != snapshot_schema::Encoding::zstd_planes) {
            fail(Code::unsupported, source_, " has an encoding that this version does not know");
        }
        Payload payload{.encoding = static_cast<Encoding>(from.encoding()),
                        .raw_bytes = from.raw_bytes(),
                        .frames = {}};
        std::uint64_t sum = 0;
        if (from.frames() != nullptr) {
            const auto address = reinterpret_cast<std::uintptr_t>(from.frames()->Data());
            if (address % alignof(std::uint64_t) != 0) damaged("a misaligned list");
            for (const auto* const frame : *from.frames()) {
                payload.frames.push_back(parse(*frame, payload.encoding));
                sum += frame->raw_bytes();  // cannot wrap: each is at most 2^22
            }
        }
        if (sum != payload.raw_bytes) damaged("frames that do not add up");
        return payload;
    }

    [[nodiscard]] Frame parse(const snapshot_schema::Frame& from, Encoding encoding) {
        const Frame frame{.offset = from.offset(),
                          .stored_bytes = from.stored_bytes(),
                          .raw_bytes = from.raw_bytes(),
                          .checksum = from.checksum()};
        const bool sized = frame.raw_bytes > 0 && frame.raw_bytes <= max_frame_bytes &&
                           frame.stored_bytes > 0 &&
                           (encoding != Encoding::raw || frame.stored_bytes == frame.raw_bytes) &&
                           frame.raw_bytes % snapshot_plane_bytes == 0;
        const bool placed = frame.offset % payload_alignment == 0 &&
                            frame.offset >= prelude_bytes && frame.offset <= payload_end_ &&
                            frame.stored_bytes <= payload_end_ - frame.offset;
        if (!sized || !placed) damaged("an impossible frame");
        // One table may be referenced many times: more frames than fit side by side are refused.
        if (places_.size() >= payload_end_ / payload_alignment) damaged("too many frames");
        places_.emplace_back(frame.offset, frame.offset + frame.stored_bytes);
        return frame;
    }

    void check_overlaps() {
        std::sort(places_.begin(), places_.end());
        const auto clash = std::adjacent_find(
            places_.begin(), places_.end(),
            [](const auto& left, const auto& right) { return left.second > right.first; });
        if (clash != places_.end()) damaged("frames that overlap");
    }

    [[noreturn]] void damaged(const char* what) const {
        fail(Code::corrupt_file, source_, " has ", what);
    }

    std::uint64_t payload_end_;
    const std::string& source_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> places_;  // begin, end
};

SnapshotHeader parse_header(std::span<const std::byte> bytes, const std::string& source) {
    const Prelude prelude = decode_prelude(bytes, source, FileKind::snapshot);
    if (prelude.header_bytes > max_snapshot_header_bytes) {
        fail(Code::corrupt_file, source, " has a header of ", prelude.header_bytes, " bytes");
    }
    const std::uint64_t end = prelude.header_offset + prelude.header_bytes;
    if (end != bytes.size()) {
        fail(Code::corrupt_file, source, " is ", bytes.size(),
             " bytes long, and its contents end at ", end);
    }
    const auto stored = bytes.subspan(prelude.header_offset, prelude.header_bytes);
    if (checksum_of(stored) != prelude.header_checksum) {
        fail(Code::corrupt_file, source, ": the checksum of the header is wrong");
    }
    // The caller's memory may lie anywhere; a FlatBuffer wants 8 bytes.
    std::vector<std::uint64_t> aligned((stored.size() + 7) / 8);
    const auto room = std::as_writable_bytes(std::span(aligned)).first(stored.size());
    std::copy(stored.begin(), stored.end(), room.begin());
    constexpr flatbuffers::uoffset_t max_depth = 16;
    constexpr flatbuffers::uoffset_t max_tables = 100000;
    const auto* const data = reinterpret_cast<const std::uint8_t*>(room.data());
    flatbuffers::Verifier verifier(data, room.size(), max_depth, max_tables);
    if (!snapshot_schema::VerifySnapshotBuffer(verifier)) {
        fail(Code::corrupt_file, source, ": the header is malformed");
    }
    return SnapshotParser(prelude.header_offset, source).parse(*snapshot_schema::GetSnapshot(data));
}

}  // namespace

SnapshotReader::SnapshotReader(std::span<const std::byte> bytes, std::string source)
    : bytes_(bytes), source_(std::move(source)), header_(parse_header(bytes_, source_)) {}

void SnapshotReader::check() const {
    const auto check_frames = [this](const Payload& payload) {
        for (const Frame& frame : payload.frames) (void)checked(frame);
    };
    std::for_each(header_.states.begin(), header_.states.end(), check_frames);
    for (const auto* rest : {&header_.logits, &header_.kept, &header_.ids}) {
        if (*rest) check_frames(**rest);
    }
}

void SnapshotReader::check_size(const Payload& payload, std::uint64_t count,
                                std::size_t element_bytes) const {
    if (payload.raw_bytes / element_bytes == count && payload.raw_bytes % element_bytes == 0)
        return;
    fail(Code::corrupt_file, source_, " has ", payload.raw_bytes, " bytes where ", count,
         " numbers of ", element_bytes, " bytes should be");
}

std::optional<std::span<const std::byte>> SnapshotReader::in_place(const Payload& payload,
                                                                   std::size_t alignment) const {
    if (payload.encoding != Encoding::raw || payload.frames.size() != 1) return std::nullopt;
    const auto stored = checked(payload.frames.front());
    const auto address = reinterpret_cast<std::uintptr_t>(stored.data());
    if (address % alignment != 0) return std::nullopt;
    return stored;
}

void SnapshotReader::decode(const Payload& payload, std::span<std::byte> out) {
    for (const Frame& frame : payload.frames) {
        decoder_.decode(checked(frame), payload.encoding, snapshot_plane_bytes,
                        out.first(frame.raw_bytes));
        out = out.subspan(frame.raw_bytes);
    }
}

std::span<const std::byte> SnapshotReader::checked(const Frame& frame) const {
    const auto stored = bytes_.subspan(frame.offset, frame.stored_bytes);
    if (checksum_of(stored) == frame.checksum) return stored;
    fail(Code::corrupt_file, source_, " is damaged near byte ", frame.offset);
}

}  // namespace sipo
