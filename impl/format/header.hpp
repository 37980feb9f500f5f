// The FlatBuffers header, translated to and from Contents. Reading believes nothing: what comes out
// has been checked against the file's size and the limits of layout.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/contents.hpp"
#include "format/layout.hpp"

namespace sipo {

[[nodiscard]] std::vector<std::byte> build_header(const Contents& contents);

// `header` is aligned to 8 bytes. All payloads must end at or before `payload_end`.
[[nodiscard]] Contents parse_header(std::span<const std::byte> header, std::uint64_t payload_end,
                                    const std::string& source);

// The rules that hold between the parts: names, shapes, frames, profiles. Throws
// Code::corrupt_file, or what validate(Architecture) throws.
void check_contents(const Contents& contents, std::uint64_t payload_end, const std::string& source);

struct OpenedHeader {
    Prelude prelude;
    Contents contents;
};

// Prelude and header of a whole mapped file.
[[nodiscard]] OpenedHeader open_header(std::span<const std::byte> file, const std::string& source);

}  // namespace sipo
