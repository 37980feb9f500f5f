#include "format/widen.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace sipo {

std::vector<float> widen(std::span<const std::byte> raw, DType type) {
    std::vector<float> values(raw.size() / dtype_size(type));
    if (type == DType::f32) {
        std::memcpy(values.data(), raw.data(), raw.size());
        return values;
    }
    const auto* bits = reinterpret_cast<const std::uint16_t*>(raw.data());
    std::transform(bits, bits + values.size(), values.begin(),
                   type == DType::bf16 ? bf16_to_float : f16_to_float);
    return values;
}

}  // namespace sipo
