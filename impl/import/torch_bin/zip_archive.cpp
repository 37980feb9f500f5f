#include "import/torch_bin/zip_archive.hpp"

#include <cstdint>
#include <limits>
#include <optional>

#include "base/error.hpp"
#include "base/quote.hpp"
#include "import/byte_reader.hpp"
#include "import/named_ranges.hpp"

namespace sipo {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t locator_signature = 0x07064b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::size_t end_bytes = 22;
constexpr std::size_t locator_bytes = 20;
constexpr std::uint64_t max_entries = 262144;
constexpr std::uint64_t saturated = std::numeric_limits<std::uint32_t>::max();

struct Directory {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t entries = 0;
};

struct Entry {
    std::string name;
    std::uint64_t stored_bytes = 0;
    std::uint64_t local_header = 0;
};

[[noreturn]] void broken(const std::string& source, const char* what) {
    fail(Code::corrupt_file, source, " is no sound zip archive: ", what);
}

ByteReader reader_at(Bytes file, std::uint64_t offset, const std::string& source) {
    if (offset > file.size()) broken(source, "an offset lies behind its end");
    return {file.subspan(static_cast<std::size_t>(offset)), source};
}

// The record at the very end; the comment behind it may have up to 65,535 bytes.
std::size_t find_end(Bytes file, const std::string& source) {
    for (std::size_t comment = 0; comment <= 0xffff && end_bytes + comment <= file.size();
         ++comment) {
        const std::size_t at = file.size() - end_bytes - comment;
        ByteReader record = reader_at(file, at, source);
        if (record.number<std::uint32_t>() != end_signature) continue;
        record.take(16);
        if (record.number<std::uint16_t>() == comment) return at;
    }
    broken(source, "its end is missing");
}

Directory read_end64(Bytes file, std::size_t locator, const std::string& source) {
    ByteReader pointer = reader_at(file, locator + 8, source);
    ByteReader record = reader_at(file, pointer.number<std::uint64_t>(), source);
    if (record.number<std::uint32_t>() != end64_signature) broken(source, "no zip64 record");
    record.take(28);  // its size, versions, disk numbers, entries of this disk
    Directory directory;
    directory.entries = record.number<std::uint64_t>();
    directory.bytes = record.number<std::uint64_t>();
    directory.offset = record.number<std::uint64_t>();
    return directory;
}

Directory read_end(Bytes file, const std::string& source) {
    const std::size_t end = find_end(file, source);
    if (end >= locator_bytes) {
        const std::size_t locator = end - locator_bytes;
        if (reader_at(file, locator, source).number<std::uint32_t>() == locator_signature) {
            return read_end64(file, locator, source);
        }
    }
    ByteReader record = reader_at(file, end + 10, source);
    Directory directory;
    directory.entries = record.number<std::uint16_t>();
    directory.bytes = record.number<std::uint32_t>();
    directory.offset = record.number<std::uint32_t>();
    return directory;
}

// The zip64 field of a central header has, in this order, the numbers that do not fit 32 bits.
struct Sizes {
    std::uint64_t raw = 0;
    std::uint64_t stored = 0;
    std::uint64_t local_header = 0;
};

void read_extra(ByteReader extra, Sizes& sizes) {
    while (extra.left() >= 4) {
        const auto id = extra.number<std::uint16_t>();
        ByteReader field(extra.take(extra.number<std::uint16_t>()), extra.source());
        if (id != 1) continue;
        for (std::uint64_t* size : {&sizes.raw, &sizes.stored, &sizes.local_header}) {
            if (*size == saturated) *size = field.number<std::uint64_t>();
        }
        return;
    }
}

Entry read_central_header(ByteReader& directory) {
    const std::string& source = directory.source();
    if (directory.number<std::uint32_t>() != central_signature)
        broken(source, "no header of an entry");
    directory.take(4);
    const auto flags = directory.number<std::uint16_t>();
    const auto method = directory.number<std::uint16_t>();
    directory.take(8);  // time, date, checksum
    Sizes sizes;
    sizes.stored = directory.number<std::uint32_t>();
    sizes.raw = directory.number<std::uint32_t>();
    const auto name_bytes = directory.number<std::uint16_t>();
    const auto extra_bytes = directory.number<std::uint16_t>();
    const auto comment_bytes = directory.number<std::uint16_t>();
    directory.take(8);  // disk, attributes
    sizes.local_header = directory.number<std::uint32_t>();
    const std::string name = directory.text(name_bytes);
    read_extra({directory.take(extra_bytes), source}, sizes);
    directory.take(comment_bytes);
    if ((flags & 1U) != 0) fail(Code::unsupported, source, ": ", quote(name), " is encrypted");
    if (method != 0) {
        fail(Code::unsupported, source, ": ", quote(name), " is compressed (method ", method,
             "); torch.save stores without: save the model again");
    }
    if (sizes.raw != sizes.stored) broken(source, "an entry that is stored has two sizes");
    return {name, sizes.stored, sizes.local_header};
}

Bytes contents_of(Bytes file, const Entry& entry, std::uint64_t directory_offset,
                  const std::string& source) {
    ByteReader header = reader_at(file.first(static_cast<std::size_t>(directory_offset)),
                                  entry.local_header, source);
    if (header.number<std::uint32_t>() != local_signature) broken(source, "an entry has no header");
    header.take(22);
    const auto name_bytes = header.number<std::uint16_t>();
    const auto extra_bytes = header.number<std::uint16_t>();
    if (header.text(name_bytes) != entry.name) broken(source, "an entry has two names");
    header.take(extra_bytes);
    return header.take(entry.stored_bytes);
}

}  // namespace

std::map<std::string, Bytes, std::less<>> read_zip(Bytes file, const std::string& source) {
    const Directory directory = read_end(file, source);
    if (directory.offset > file.size() || directory.bytes > file.size() - directory.offset) {
        broken(source, "its directory lies behind its end");
    }
    if (directory.entries > max_entries) {
        fail(Code::unsupported, source, " has ", directory.entries, " entries; the limit is ",
             max_entries);
    }
    ByteReader headers(file.subspan(static_cast<std::size_t>(directory.offset),
                                    static_cast<std::size_t>(directory.bytes)),
                       source);
    std::map<std::string, Bytes, std::less<>> entries;
    std::vector<NamedRange> ranges;
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
        const Entry entry = read_central_header(headers);
        const Bytes contents = contents_of(file, entry, directory.offset, source);
        if (!entries.emplace(entry.name, contents).second) {
            fail(Code::corrupt_file, source, " has two entries ", quote(entry.name));
        }
        ranges.push_back({entry.name, contents});
    }
    check_disjoint(std::move(ranges), source);
    return entries;
}

}  // namespace sipo
