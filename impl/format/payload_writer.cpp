#include "format/payload_writer.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "format/header.hpp"

namespace sipo {
namespace {

// Small enough for a decoder's buffers to stay in a core's own cache, large enough that the cost of
// a frame does not show. zstd packs weights no better in larger ones.
constexpr std::size_t usual_frame_bytes = std::size_t{1} << 19;

// Raw frames follow each other without a gap, so that the tensor is one piece in the mapping: their
// size is a multiple of the alignment even where that splits a row.
std::size_t frame_bytes_for(Encoding encoding, std::size_t row_bytes) {
    const std::size_t unit =
        encoding == Encoding::raw ? std::lcm(row_bytes, payload_alignment) : row_bytes;
    if (unit == 0 || unit > max_frame_bytes) return usual_frame_bytes;
    return std::max(usual_frame_bytes / unit, std::size_t{1}) * unit;
}

}  // namespace

PayloadWriter::PayloadWriter(const std::filesystem::path& path, int threads)
    : source_(path.string()), file_(path), pool_(threads) {
    file_.write(std::array<std::byte, prelude_bytes>{});  // until commit() knows better
}

Payload PayloadWriter::write(std::span<const std::byte> bytes, Encoding encoding,
                             std::size_t element_bytes, std::size_t row_bytes) {
    const std::size_t frame_bytes = frame_bytes_for(encoding, row_bytes);
    const std::size_t frames = ceil_div(bytes.size(), frame_bytes);
    const std::size_t batch = 4 * static_cast<std::size_t>(pool_.size());
    const auto raw_frame = [&](std::size_t i) {
        return bytes.subspan(i * frame_bytes,
                             std::min(frame_bytes, bytes.size() - i * frame_bytes));
    };
    Payload payload{.encoding = encoding, .raw_bytes = bytes.size(), .frames = {}};
    std::vector<std::vector<std::byte>> encoded(batch);
    for (std::size_t first = 0; first < frames; first += batch) {
        const std::size_t count = std::min(batch, frames - first);
        pool_.run(count, [&](std::size_t i) {
            const auto encoder = encoders_.borrow();
            const auto stored = encoder->encode(raw_frame(first + i), encoding, element_bytes);
            encoded[i].assign(stored.begin(), stored.end());
        });
        for (std::size_t i = 0; i < count; ++i) {
            payload.frames.push_back(append(encoded[i], raw_frame(first + i).size()));
        }
    }
    return payload;
}

Payload PayloadWriter::copy(const Payload& payload, std::span<const std::byte> file) {
    Payload result = payload;
    for (Frame& frame : result.frames) {
        file_.pad_to(payload_alignment);
        const auto stored = file.subspan(frame.offset, frame.stored_bytes);
        frame.offset = file_.position();
        file_.write(stored);
    }
    return result;
}

Frame PayloadWriter::append(std::span<const std::byte> stored, std::size_t raw_bytes) {
    file_.pad_to(payload_alignment);
    const Frame frame{.offset = file_.position(),
                      .stored_bytes = stored.size(),
                      .raw_bytes = raw_bytes,
                      .checksum = checksum_of(stored)};
    file_.write(stored);
    return frame;
}

void PayloadWriter::commit(const Contents& contents) {
    file_.pad_to(payload_alignment);
    const std::uint64_t offset = file_.position();
    const std::vector<std::byte> header = build_header(contents);
    try {
        static_cast<void>(parse_header(header, offset, source_));
    } catch (const Error& error) {
        fail(error.code() == Code::corrupt_file ? Code::invalid_argument : error.code(),
             error.what());
    }
    file_.write(header);
    file_.patch(0, encode_prelude({.header_offset = offset,
                                   .header_bytes = header.size(),
                                   .header_checksum = checksum_of(header)}));
    file_.commit();
}

}  // namespace sipo
