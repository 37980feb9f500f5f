// The outer layout of a .sipo file: a fixed prelude of 64 bytes, the payloads, the header last, so
// that a file is written in one pass. The prelude is the same in all versions.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sipo {

static_assert(std::endian::native == std::endian::little,
              "containers are read and written as they lie");

inline constexpr std::uint32_t format_major = 1;  // a reader refuses a newer one
inline constexpr std::uint32_t format_minor = 0;  // a reader ignores what a newer one adds

inline constexpr std::size_t prelude_bytes = 64;
inline constexpr std::size_t payload_alignment = 64;

// What a reader believes at most. They keep a small file from asking for much memory.
inline constexpr std::uint64_t max_frame_bytes = std::uint64_t{4} << 20;
inline constexpr std::uint64_t max_header_bytes = std::uint64_t{64} << 20;
inline constexpr std::uint64_t max_blob_bytes = std::uint64_t{64} << 20;
inline constexpr std::uint64_t free_expansion_bytes = std::uint64_t{256} << 20;
inline constexpr std::uint64_t max_expansion = 256;  // beyond that, raw bytes a byte of the file
inline constexpr std::size_t max_name_bytes = 255;
inline constexpr std::size_t max_dimensions = 8;
inline constexpr std::size_t max_table_lengths = 4096;

inline constexpr const char* tokenizer_blob = "tokenizer.json";

struct Prelude {
    std::uint32_t major = format_major;
    std::uint32_t minor = format_minor;
    std::uint64_t header_offset = 0;
    std::uint64_t header_bytes = 0;
    std::uint64_t header_checksum = 0;
};

// The kinds of files of this layout.
enum class FileKind : std::uint8_t { model, snapshot };

[[nodiscard]] std::array<std::byte, prelude_bytes> encode_prelude(const Prelude& prelude,
                                                                  FileKind kind = FileKind::model);

// Checks magic, checksum, version, and that the header lies inside `file`.
[[nodiscard]] Prelude decode_prelude(std::span<const std::byte> file, const std::string& source,
                                     FileKind kind = FileKind::model);

// XXH3-64.
[[nodiscard]] std::uint64_t checksum_of(std::span<const std::byte> bytes);

}  // namespace sipo
