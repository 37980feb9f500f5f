// The search for the largest of many numbers, as greedy decoding makes it in every step.
#pragma once

#include <cstdint>
#include <span>

namespace sipo {

// Its index, of equal ones the first; a NaN loses against every number. -1 when the largest is not
// finite, or there is none.
[[nodiscard]] std::int32_t index_of_largest(std::span<const float> values);

}  // namespace sipo
