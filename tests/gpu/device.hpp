// The device that is tested.
#pragma once

#include <string>

#include "backend/backend.hpp"

namespace sipo::parity {

// $SIPO_TEST_BACKEND, or "cuda".
[[nodiscard]] const std::string& device_name();

// The backend of that name, made once a process. Null where it cannot be had and nobody named it;
// where the environment names it, what is wrong is thrown.
[[nodiscard]] backend::BackendPtr device_backend();

// For tests of what only a device has: whether it is one.
[[nodiscard]] bool is_cuda();

}  // namespace sipo::parity
