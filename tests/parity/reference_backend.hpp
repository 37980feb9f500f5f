// The plain reference backend: the judge of all others.
//
// Every operation is a scalar loop written straight from its equation in impl/backend/backend.hpp,
// on one thread. Values are stored as float32; a sum over a dot product, a norm or a softmax is
// kept in double and rounded once. The recurrent state is float32, rounded once a step, since that
// is the model. Nothing here may be made faster at the price of being less obvious.
#pragma once

#include "backend/backend.hpp"

namespace sipo::parity {

[[nodiscard]] backend::BackendPtr make_reference_backend();

}  // namespace sipo::parity
