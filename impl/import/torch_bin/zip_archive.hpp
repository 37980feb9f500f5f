// The zip archives that torch.save writes: entries stored without compression, perhaps zip64.
// (PKWARE's APPNOTE.TXT 6.3, sections 4.3 and 4.5.)
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace sipo {

// The bytes of each entry by its name, as parts of `file`. Code::unsupported for compressed or
// encrypted entries, Code::corrupt_file for an archive whose directory is not sound: every entry has
// to lie before the directory, agree with its own header, and share no byte with another.
[[nodiscard]] std::map<std::string, std::span<const std::byte>, std::less<>> read_zip(
    std::span<const std::byte> file, const std::string& source);

}  // namespace sipo
