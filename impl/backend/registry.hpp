// The backends there are, by name. Adding one is one line in registry.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "backend/backend.hpp"

namespace sipo::backend {

// "cpu", "cuda" (its first device), "cuda:1"; "auto" takes the best that works here and says by
// `note` why a better one does not. Throws Code::not_found naming the ones there are.
// `memory_limit`: bytes that a device with memory of its own may lend, for weights and sessions
// together; 0 for all it has.
[[nodiscard]] BackendPtr make_backend(std::string_view name,
                                      const std::function<void(const std::string&)>& note = {},
                                      std::int64_t memory_limit = 0);

// Throws as make_backend does for a name that none has, without making anything.
void check_backend_name(std::string_view name);

}  // namespace sipo::backend
