#include "backend/plugin.hpp"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>

#include "base/error.hpp"

namespace sipo::backend {

std::string plugin_path(std::string_view name) {
    const char* chosen = secure_getenv("SIPO_PLUGIN_DIR");
    return join(chosen != nullptr ? chosen : SIPO_PLUGIN_DIR, "/libsipo-", name, ".so");
}

const PluginTable& load_plugin(std::string_view name) {
    const std::string path = plugin_path(name);
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
        fail(Code::not_found, "the backend '", name, "' is not installed: no file ", path);
    }
    void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (object == nullptr) {
        const char* reason = dlerror();
        fail(Code::backend_error, "the backend '", name,
             "' does not load: ", reason != nullptr ? reason : path);
    }
    using Entry = const PluginTable* (*)();
    const auto entry = reinterpret_cast<Entry>(dlsym(object, "sipo_backend_plugin"));
    if (entry == nullptr) fail(Code::backend_error, path, " is no backend of Sipo");
    const PluginTable& table = *entry();
    if (table.api_version != plugin_api_version ||
        std::strcmp(table.library_version, SIPO_VERSION) != 0) {
        fail(Code::backend_error, path, " belongs to Sipo ", table.library_version,
             " and this is " SIPO_VERSION "; install the same version of both");
    }
    return table;
}

}  // namespace sipo::backend
