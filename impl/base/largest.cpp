#include "base/largest.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace sipo {
namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();

// Lane by lane: a loop that compares with the best so far is a chain as long as the values.
float largest_of(std::span<const float> values) {
    constexpr std::size_t lanes = 16;
    std::array<float, lanes> top{};
    top.fill(lowest);
    std::size_t i = 0;
    for (; i + lanes <= values.size(); i += lanes) {
        for (std::size_t l = 0; l < lanes; ++l) {
            top[l] = values[i + l] > top[l] ? values[i + l] : top[l];
        }
    }
    for (; i < values.size(); ++i) top[0] = values[i] > top[0] ? values[i] : top[0];
    return *std::max_element(top.begin(), top.end());
}

}  // namespace

std::int32_t index_of_largest(std::span<const float> values) {
    constexpr std::size_t part = 1024;  // in the nearest cache when its best is looked for
    float best = lowest;
    std::size_t best_part = 0;
    for (std::size_t first = 0; first < values.size(); first += part) {
        const float most = largest_of(values.subspan(first, std::min(part, values.size() - first)));
        if (most > best) {
            best = most;
            best_part = first;
        }
    }
    if (!std::isfinite(best)) return -1;
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(best_part);
    return static_cast<std::int32_t>(std::find(from, values.end(), best) - values.begin());
}

}  // namespace sipo
