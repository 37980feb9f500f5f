// Parts of a file that must not share bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace sipo {

struct NamedRange {
    std::string name;
    std::span<const std::byte> bytes;
};

// Code::corrupt_file naming two that overlap. Empty ones overlap nothing.
void check_disjoint(std::vector<NamedRange> ranges, const std::string& source);

}  // namespace sipo
