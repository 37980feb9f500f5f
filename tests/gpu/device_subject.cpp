// The subjects of the GPU tests: the device, with activations kept in f32 and in bf16.
//
// Tolerances: the device's exponential is good to a few 1e-7 and its sums go in another order than
// the reference's. Kept in bf16, a result is rounded by 2^-9 and what is computed on tensor cores
// has rounded operands. A decay that is off by an ulp a token adds up over all the tokens that a
// state remembers: some hundred in the scans. Quantised matrices may be multiplied with inputs as
// they are, which the reference rounds to a 127th of a block's largest.
#include <cstdlib>

#include "backend/registry.hpp"
#include "base/error.hpp"
#include "device.hpp"
#include "parity/subject.hpp"

namespace sipo::parity {
namespace {

constexpr Tolerances f32_tolerances{
    .elementwise = 1e-5, .product = 1e-5, .quantised_product = 3e-2, .scan = 5e-5};
constexpr Tolerances bf16_tolerances{
    .elementwise = 1.5e-2, .product = 1.5e-2, .quantised_product = 3e-2, .scan = 1.5e-2};

const char* named_device() { return std::getenv("SIPO_TEST_BACKEND"); }

backend::BackendPtr make_device() {
    if (named_device() != nullptr) return backend::make_backend(device_name());
    try {
        return backend::make_backend(device_name());
    } catch (const Error&) {
        return nullptr;
    }
}

}  // namespace

const std::string& device_name() {
    static const std::string name = named_device() != nullptr ? named_device() : "cuda";
    return name;
}

backend::BackendPtr device_backend() {
    static const backend::BackendPtr device = make_device();
    return device;
}

bool is_cuda() { return device_name().starts_with("cuda"); }

const std::vector<std::string>& subject_names() {
    static const std::vector<std::string> names{"f32", "bf16"};
    return names;
}

Subject make_subject(const std::string& name) {
    const bool bf16 = name == "bf16";
    return {.backend = device_backend(),
            .activations = bf16 ? DType::bf16 : DType::f32,
            .tolerances = bf16 ? bf16_tolerances : f32_tolerances,
            .same_bits_however_cut = false};
}

}  // namespace sipo::parity
