#include "format/layout.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sipo {
namespace {

// A byte above 127, a CR LF pair and a lone LF: a transfer that strips the eighth bit, re-encodes
// text or rewrites line ends does not leave them alone.
using Magic = std::array<unsigned char, 8>;
constexpr Magic model_magic = {0x89, 'S', 'I', 'P', 'O', '\r', '\n', '\n'};
constexpr Magic snapshot_magic = {0x89, 'S', 'I', 'P', 'S', '\r', '\n', '\n'};

constexpr const Magic& magic_of(FileKind kind) {
    return kind == FileKind::model ? model_magic : snapshot_magic;
}

constexpr const char* name_of(FileKind kind) {
    return kind == FileKind::model ? "a .sipo file" : "a snapshot of a session";
}

constexpr const char* advice_of(FileKind kind) {
    return kind == FileKind::model ? "update the library or import the checkpoint again"
                                   : "update the library or read the prompt again";
}

// Byte for byte as it lies in the file.
struct StoredPrelude {
    Magic magic;
    std::uint32_t major;
    std::uint32_t minor;
    std::uint64_t header_offset;
    std::uint64_t header_bytes;
    std::uint64_t header_checksum;
    std::array<std::uint64_t, 2> reserved;  // zeros; readers ignore them
    std::uint64_t checksum;                 // of all bytes before
};
static_assert(sizeof(StoredPrelude) == prelude_bytes);

std::uint64_t own_checksum(const StoredPrelude& prelude) {
    return XXH3_64bits(&prelude, offsetof(StoredPrelude, checksum));
}

void check_magic(std::span<const std::byte> file, const std::string& source, FileKind kind) {
    const Magic& magic = magic_of(kind);
    if (file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0)
        return;
    const std::string_view name = kind == FileKind::model ? "SIPO" : "SIPS";
    const auto start = file.first(std::min<std::size_t>(file.size(), magic.size()));
    const bool named = std::search(start.begin(), start.end(), name.begin(), name.end(),
                                   [](std::byte byte, char letter) {
                                       return static_cast<char>(byte) == letter;
                                   }) != start.end();
    if (named) {
        fail(Code::corrupt_file, source,
             ": the first bytes are damaged, as by a transfer in text mode");
    }
    fail(Code::corrupt_file, source, " is not ", name_of(kind));
}

}  // namespace

std::uint64_t checksum_of(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

std::array<std::byte, prelude_bytes> encode_prelude(const Prelude& prelude, FileKind kind) {
    StoredPrelude stored{};
    stored.magic = magic_of(kind);
    stored.major = prelude.major;
    stored.minor = prelude.minor;
    stored.header_offset = prelude.header_offset;
    stored.header_bytes = prelude.header_bytes;
    stored.header_checksum = prelude.header_checksum;
    stored.checksum = own_checksum(stored);
    return std::bit_cast<std::array<std::byte, prelude_bytes>>(stored);
}

Prelude decode_prelude(std::span<const std::byte> file, const std::string& source, FileKind kind) {
    check_magic(file, source, kind);
    if (file.size() < prelude_bytes) {
        fail(Code::corrupt_file, source, " is cut short: ", file.size(), " bytes");
    }
    StoredPrelude stored{};
    std::memcpy(&stored, file.data(), sizeof stored);
    if (stored.checksum != own_checksum(stored)) {
        fail(Code::corrupt_file, source, ": the checksum of the first ", prelude_bytes,
             " bytes is wrong; the file is damaged");
    }
    if (stored.major != format_major) {
        fail(Code::unsupported, source, " has format version ", stored.major, ".", stored.minor,
             "; this version of the library reads ", format_major, ".x: ", advice_of(kind));
    }
    const bool aligned = stored.header_offset % payload_alignment == 0;
    if (!aligned || stored.header_offset < prelude_bytes || stored.header_offset > file.size() ||
        stored.header_bytes > file.size() - stored.header_offset) {
        fail(Code::corrupt_file, source, " is cut short or damaged: a header of ",
             stored.header_bytes, " bytes at ", stored.header_offset, " in a file of ",
             file.size());
    }
    if (stored.header_bytes > max_header_bytes) {
        fail(Code::corrupt_file, source, ": a header of ", stored.header_bytes,
             " bytes; the limit is ", max_header_bytes);
    }
    return {stored.major, stored.minor, stored.header_offset, stored.header_bytes,
            stored.header_checksum};
}

}  // namespace sipo
