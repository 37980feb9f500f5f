// The backends there are, by name. Adding one is one line in registry.cpp.
#pragma once

#include <string_view>

#include "backend/backend.hpp"

namespace sipo::backend {

// "auto" takes the best that works here. Throws Code::not_found naming the ones there are.
[[nodiscard]] BackendPtr make_backend(std::string_view name);

// Throws as make_backend does, without making anything.
void check_backend_name(std::string_view name);

}  // namespace sipo::backend
