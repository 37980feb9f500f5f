// A stored session state: the wire format of snapshots (snapshot.fbs). What the numbers mean is
// session/snapshot's business.
//
// A reader believes nothing: a frame is used after its place, its size and its checksum have been
// checked, and no more memory is asked for than the caller says a payload may have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/contents.hpp"
#include "format/fingerprint.hpp"
#include "format/frame_codec.hpp"
#include "format/sink.hpp"

namespace sipo {

inline constexpr std::uint64_t max_snapshot_header_bytes = std::uint64_t{16} << 20;
// All that is worth compressing is float32.
inline constexpr std::size_t snapshot_plane_bytes = 4;

struct SnapshotHeader {
    Fingerprint model;
    std::string method;
    std::uint64_t plan_key = 0;
    std::int64_t position = 0;
    std::int64_t prompt_length = 0;
    std::uint64_t token_hash = 0;
    struct Sampler {
        std::uint64_t random = 0;
        std::vector<std::int32_t> recent;
    };
    std::optional<Sampler> sampler;
    std::vector<Payload> states;    // f32
    std::optional<Payload> logits;  // f32
    std::optional<Payload> kept;    // i64
    std::optional<Payload> ids;     // i32
};

class SnapshotWriter {
public:
    // `encoding` is raw or zstd_planes.
    SnapshotWriter(Sink& sink, Encoding encoding);
    // Elements of 4 or 8 bytes.
    [[nodiscard]] Payload write(std::span<const std::byte> bytes);
    // The last call made: header and prelude.
    void finish(const SnapshotHeader& header, const std::string& writer);

private:
    [[nodiscard]] Frame append(std::span<const std::byte> raw);
    void pad();

    Sink& sink_;
    Encoding encoding_;
    FrameEncoder encoder_;
};

class SnapshotReader {
public:
    // `bytes` outlives the reader; `source` names them in messages. Throws Code::corrupt_file, and
    // Code::unsupported for a newer format.
    SnapshotReader(std::span<const std::byte> bytes, std::string source);

    [[nodiscard]] const SnapshotHeader& header() const { return header_; }
    // Looks at every byte of the payloads. Throws Code::corrupt_file.
    void check() const;
    // Its bytes after all checks: in place, or in `room` when they are compressed or not aligned
    // to `Element`. `count` is how many elements the caller expects; another number is refused.
    template <typename Element>
    [[nodiscard]] std::span<const Element> read(const Payload& payload, std::uint64_t count,
                                                std::vector<Element>& room) {
        check_size(payload, count, sizeof(Element));
        if (const auto bytes = in_place(payload, alignof(Element))) {
            return {reinterpret_cast<const Element*>(bytes->data()), count};
        }
        room.resize(count);
        decode(payload, std::as_writable_bytes(std::span(room)));
        return room;
    }

private:
    void check_size(const Payload& payload, std::uint64_t count, std::size_t element_bytes) const;
    [[nodiscard]] std::optional<std::span<const std::byte>> in_place(const Payload& payload,
                                                                     std::size_t alignment) const;
    void decode(const Payload& payload, std::span<std::byte> out);
    [[nodiscard]] std::span<const std::byte> checked(const Frame& frame) const;

    std::span<const std::byte> bytes_;
    std::string source_;
    SnapshotHeader header_;
    FrameDecoder decoder_;
};

}  // namespace sipo
