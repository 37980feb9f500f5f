// A checkpoint's tensor as the elements a container stores.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.hpp"
#include "import/safetensors.hpp"

namespace sipo {

// The engine's type for a safetensors dtype, or nothing when it has none.
[[nodiscard]] std::optional<DType> dtype_of(std::string_view safetensors_name);

// The elements of `tensor`, rounded to nearest even where `target` (f32 or bf16) has fewer digits.
// Code::corrupt_file names the tensor and the element when one is not finite, before or after.
[[nodiscard]] std::vector<std::byte> convert_tensor(const std::string& name,
                                                    const SafetensorsEntry& tensor, DType target);

}  // namespace sipo
