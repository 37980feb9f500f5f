#include "format/fingerprint.hpp"

#include <array>
#include <cstdio>
#include <string>
#include <type_traits>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sipo {
namespace {

// Gathers values as bytes in a fixed order.
class Bytes {
public:
    template <typename Value>
    Bytes& add(Value value) {
        static_assert(std::is_arithmetic_v<Value>);
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
        return *this;
    }
    Bytes& add(const std::string& text) {
        add(static_cast<std::uint64_t>(text.size()));
        bytes_ += text;
        return *this;
    }
    [[nodiscard]] Fingerprint fingerprint() const {
        const XXH128_hash_t hash = XXH3_128bits(bytes_.data(), bytes_.size());
        return {hash.low64, hash.high64};
    }

private:
    std::string bytes_;
};

void add(Bytes& bytes, const Architecture& a) {
    bytes.add(static_cast<std::uint8_t>(a.family)).add(a.n_layers).add(a.d_model).add(a.d_inner);
    bytes.add(a.d_state).add(a.d_conv).add(a.dt_rank).add(a.n_heads).add(a.head_dim);
    bytes.add(a.n_groups).add(a.vocab_size).add(a.norm_eps).add(a.delta_min).add(a.delta_max);
    bytes.add(a.tied_head).add(a.conv_bias).add(a.linear_bias).add(a.training_length);
    if (a.family == Family::falcon_mamba) bytes.add(a.mixer_rms_eps);
}

void add(Bytes& bytes, const TensorEntry& tensor) {
    bytes.add(tensor.name).add(static_cast<std::uint8_t>(tensor.dtype));
    for (const std::int64_t size : tensor.shape) bytes.add(size);
    for (const Frame& frame : tensor.payload.frames) bytes.add(frame.checksum);
}

}  // namespace

std::string text_of(const Fingerprint& fingerprint) {
    std::array<char, 33> text{};
    std::snprintf(text.data(), text.size(), "%016llx%016llx",
                  static_cast<unsigned long long>(fingerprint.high),
                  static_cast<unsigned long long>(fingerprint.low));
    return text.data();
}

Fingerprint fingerprint_of(const Contents& contents) {
    Bytes bytes;
    add(bytes, contents.architecture);
    for (const TensorEntry& tensor : contents.tensors) add(bytes, tensor);
    return bytes.fingerprint();
}

}  // namespace sipo
