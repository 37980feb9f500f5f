// LongMamba (Ye et al., arXiv 2504.16053, section 4): channels whose cumulative decay at the
// training length stays above a threshold are global; they let their state pass over tokens whose Δ
// is small. Specification: methods.md section 3, "Inference". The calibration behind it:
// calibration.hpp.
#pragma once

#include "context/method.hpp"

namespace sipo::context {

// g(S) of one channel: linear in log S between the table's lengths, the end entry outside.
[[nodiscard]] float threshold_at(std::span<const std::int64_t> lengths,
                                 std::span<const float> table, std::int64_t total_tokens);

[[nodiscard]] Plan plan_longmamba(const Request& request);
[[nodiscard]] std::string describe_longmamba(const Request& request);

}  // namespace sipo::context
