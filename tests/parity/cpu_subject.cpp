// The subjects of the parity tests: the CPU backend with every instruction set.
//
// Tolerances: a float32 sum rounds at each of its terms, by 2^-24 of what is summed so far, so that
// a product of 531 inputs is off by a few 1e-6 where its terms nearly cancel. bf16 products are
// exact in float32 and both sides round the inputs alike, so they keep to the same. The recurrence
// forgets, so that its rounding errors do not pile up with the tokens; what is left is the
// exponential's 2e-7, the float32 rounding of h, and the sum over the states. Everything else is a
// short sum and a polynomial that is good to 2e-7.
#include <cstdlib>

#include "backend/registry.hpp"
#include "base/error.hpp"
#include "subject.hpp"

namespace sipo::parity {

const std::vector<std::string>& subject_names() {
    static const std::vector<std::string> names{"baseline", "avx2", "avx512", "avx512_bf16"};
    return names;
}

Subject make_subject(const std::string& name) {
    Subject subject;
    subject.tolerances = {
        .elementwise = 1e-6, .product = 4e-6, .quantised_product = 4e-6, .scan = 5e-6};
    setenv("SIPO_CPU", name.c_str(), 1);
    try {
        subject.backend = backend::make_backend("cpu");
    } catch (const Error&) {
        // Not on this machine.
    }
    unsetenv("SIPO_CPU");
    return subject;
}

}  // namespace sipo::parity
