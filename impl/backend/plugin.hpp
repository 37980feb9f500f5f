// A backend in a shared object of its own, libsipo-NAME.so, for machines that have what it needs.
//
// The library looks in one folder: the one it was built for, or that of the environment variable
// SIPO_PLUGIN_DIR (not in a program that runs with another user's rights). The object exports one
// function, sipo_backend_plugin(), and is never unloaded. Both sides are C++ of one build: a plugin
// of another version is refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backend/backend.hpp"

namespace sipo::backend {

// Counted up with every change of backend.hpp or of this file.
inline constexpr std::uint32_t plugin_api_version = 4;

struct PluginTable {
    std::uint32_t api_version;
    const char* library_version;  // "0.1.0"
    // Throws as make_backend() does. `device` counts from 0; `memory_limit` as there.
    BackendPtr (*make)(int device, std::int64_t memory_limit);
};

// The plugin of that name. Throws Code::not_found where the file is not there, Code::backend_error
// with the reason where it does not load.
[[nodiscard]] const PluginTable& load_plugin(std::string_view name);

// Where load_plugin() looks: "/usr/lib/x86_64-linux-gnu/sipo/libsipo-cuda.so".
[[nodiscard]] std::string plugin_path(std::string_view name);

}  // namespace sipo::backend
