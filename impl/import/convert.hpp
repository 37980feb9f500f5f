// A checkpoint's tensor as the elements a container stores.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "import/source_tensor.hpp"

namespace sipo {

// The elements of `tensor`, rounded to nearest even where `target` (f32 or bf16) has fewer digits.
// Code::corrupt_file names the tensor and the element when one is not finite, before or after;
// Code::unsupported a dtype that is not read.
[[nodiscard]] std::vector<std::byte> convert_tensor(const std::string& name,
                                                    const SourceTensor& tensor, DType target);

}  // namespace sipo
