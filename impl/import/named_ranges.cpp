#include "import/named_ranges.hpp"

#include <algorithm>
#include <iterator>

#include "base/error.hpp"
#include "base/quote.hpp"

namespace sipo {

void check_disjoint(std::vector<NamedRange> ranges, const std::string& source) {
    std::erase_if(ranges, [](const NamedRange& range) { return range.bytes.empty(); });
    std::sort(ranges.begin(), ranges.end(), [](const NamedRange& left, const NamedRange& right) {
        return left.bytes.data() < right.bytes.data();
    });
    const auto clash = std::adjacent_find(
        ranges.begin(), ranges.end(), [](const NamedRange& left, const NamedRange& right) {
            return left.bytes.data() + left.bytes.size() > right.bytes.data();
        });
    if (clash != ranges.end()) {
        fail(Code::corrupt_file, source, ": ", quote(clash->name), " overlaps ",
             quote(std::next(clash)->name));
    }
}

}  // namespace sipo
