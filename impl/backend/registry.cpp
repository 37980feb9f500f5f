#include "backend/registry.hpp"

#include <array>

#include "base/error.hpp"
#include "cpu_backend.hpp"

namespace sipo::backend {
namespace {

struct Entry {
    std::string_view name;
    BackendPtr (*make)();
};

// In the order of preference of "auto".
constexpr std::array entries{
    Entry{"cpu", &cpu::make_cpu_backend},
};

const Entry& find(std::string_view name) {
    if (name == "auto") return entries.front();
    for (const Entry& entry : entries) {
        if (entry.name == name) return entry;
    }
    std::string names = "auto";
    for (const Entry& entry : entries) names.append(", ").append(entry.name);
    fail(Code::not_found, "no backend named '", name, "'; there are: ", names);
}

}  // namespace

BackendPtr make_backend(std::string_view name) { return find(name).make(); }

void check_backend_name(std::string_view name) { (void)find(name); }

}  // namespace sipo::backend
