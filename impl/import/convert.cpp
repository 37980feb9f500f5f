#include "import/convert.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/error.hpp"
#include "base/quote.hpp"

namespace sipo {
namespace {

template <DType type>
struct Element;

template <>
struct Element<DType::f32> {
    using Bits = std::uint32_t;
    static float load(Bits bits) { return std::bit_cast<float>(bits); }
    static Bits store(float value) { return std::bit_cast<Bits>(value); }
};

template <>
struct Element<DType::bf16> {
    using Bits = std::uint16_t;
    static float load(Bits bits) { return bf16_to_float(bits); }
    static Bits store(float value) { return float_to_bf16(value); }
};

template <>
struct Element<DType::f16> {
    using Bits = std::uint16_t;
    static float load(Bits bits) { return f16_to_float(bits); }
};

// Checkpoints promise no alignment.
template <typename Bits>
Bits bits_at(std::span<const std::byte> data, std::size_t index) {
    Bits bits{};
    std::memcpy(&bits, data.data() + index * sizeof bits, sizeof bits);
    return bits;
}

template <DType source, DType target>
std::vector<std::byte> convert(const std::string& name, std::span<const std::byte> data) {
    using From = Element<source>;
    using To = Element<target>;
    const std::size_t count = data.size() / sizeof(typename From::Bits);
    std::vector<std::byte> result(count * sizeof(typename To::Bits));
    for (std::size_t i = 0; i < count; ++i) {
        const float value = From::load(bits_at<typename From::Bits>(data, i));
        const typename To::Bits bits = To::store(value);
        // A finite f32 above bf16's largest becomes infinite here, which this finds as well.
        if (!std::isfinite(To::load(bits))) {
            fail(Code::corrupt_file, "tensor ", quote(name), " has the value ", value,
                 " at element ", i, "; weights must be finite in ", dtype_name(target));
        }
        std::memcpy(result.data() + i * sizeof bits, &bits, sizeof bits);
    }
    return result;
}

template <DType source>
std::vector<std::byte> convert_to(DType target, const std::string& name,
                                  std::span<const std::byte> data) {
    if (target == DType::f32) return convert<source, DType::f32>(name, data);
    if (target == DType::bf16) return convert<source, DType::bf16>(name, data);
    fail(Code::invalid_argument, "weights are stored as f32 or bf16, not ", dtype_name(target));
}

}  // namespace

std::vector<std::byte> convert_tensor(const std::string& name, const SourceTensor& tensor,
                                      DType target) {
    std::vector<std::byte> room;
    if (tensor.elements == DType::f32) {
        return convert_to<DType::f32>(target, name, tensor.read(room));
    }
    if (tensor.elements == DType::bf16) {
        return convert_to<DType::bf16>(target, name, tensor.read(room));
    }
    if (tensor.elements == DType::f16) {
        return convert_to<DType::f16>(target, name, tensor.read(room));
    }
    fail(Code::unsupported, "tensor ", quote(name), " has the dtype ", quote(tensor.dtype),
         "; F32, BF16 and F16 are read");
}

}  // namespace sipo
