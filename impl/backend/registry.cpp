#include "backend/registry.hpp"

#include <array>
#include <charconv>
#include <optional>

#include "backend/plugin.hpp"
#include "base/error.hpp"
#include "cpu_backend.hpp"

namespace sipo::backend {
namespace {

BackendPtr make_cuda(int device, std::int64_t memory_limit) {
    return load_plugin("cuda").make(device, memory_limit);
}
BackendPtr make_cpu(int, std::int64_t) { return cpu::make_cpu_backend(); }

struct Entry {
    std::string_view name;
    bool has_devices;
    BackendPtr (*make)(int device, std::int64_t memory_limit);
};

// In the order of preference of "auto"; the last one works everywhere.
constexpr std::array entries{
    Entry{"cuda", true, &make_cuda},
    Entry{"cpu", false, &make_cpu},
};

struct Choice {
    const Entry* entry;
    int device;
};

// The number of "NAME:NUMBER"; 0 where there is none.
std::optional<int> device_number(std::string_view rest) {
    if (rest.empty()) return 0;
    int number = 0;
    const char* end = rest.data() + rest.size();
    const auto [stop, error] = std::from_chars(rest.data() + 1, end, number);
    if (rest.front() != ':' || error != std::errc{} || stop != end || number < 0) return {};
    return number;
}

Choice find(std::string_view name) {
    for (const Entry& entry : entries) {
        if (!name.starts_with(entry.name)) continue;
        const std::string_view rest = name.substr(entry.name.size());
        const std::optional<int> number = device_number(rest);
        if (number && (rest.empty() || entry.has_devices)) return {&entry, *number};
    }
    std::string names = "auto";
    for (const Entry& entry : entries) {
        names.append(", ").append(entry.name);
        if (entry.has_devices) names.append(", ").append(entry.name).append(":NUMBER");
    }
    fail(Code::not_found, "no backend named '", name, "'; there are: ", names);
}

// A backend that is not installed is nothing to talk about.
BackendPtr make_best(const std::function<void(const std::string&)>& note,
                     std::int64_t memory_limit) {
    for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
        try {
            return entries[i].make(0, memory_limit);
        } catch (const Error& error) {
            if (note && error.code() != Code::not_found) note(error.what());
        }
    }
    return entries.back().make(0, memory_limit);
}

}  // namespace

BackendPtr make_backend(std::string_view name, const std::function<void(const std::string&)>& note,
                        std::int64_t memory_limit) {
    if (name == "auto") return make_best(note, memory_limit);
    const Choice choice = find(name);
    return choice.entry->make(choice.device, memory_limit);
}

void check_backend_name(std::string_view name) {
    if (name != "auto") (void)find(name);
}

}  // namespace sipo::backend
