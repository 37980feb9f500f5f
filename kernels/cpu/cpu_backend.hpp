// The CPU backend's door. See README.md of this folder.
#pragma once

#include "backend/backend.hpp"

namespace sipo::cpu {

[[nodiscard]] backend::BackendPtr make_cpu_backend();

}  // namespace sipo::cpu
