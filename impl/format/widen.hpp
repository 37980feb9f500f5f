// Stored elements as float32.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/dtype.hpp"

namespace sipo {

// `raw` are f32, bf16 or f16 elements, not blocks of a quantised type.
[[nodiscard]] std::vector<float> widen(std::span<const std::byte> raw, DType type);

}  // namespace sipo
