#include "context/method.hpp"

#include <array>
#include <numeric>
#include <string>

#include "base/error.hpp"
#include "context/decimamba.hpp"
#include "context/longmamba.hpp"

namespace sipo::context {
namespace {

Plan plan_none(const Request& request) {
    return Plan(static_cast<std::size_t>(request.architecture.n_layers));
}

constexpr std::array registry{
    MethodEntry{Method::none, "none", false, &plan_none},
    MethodEntry{Method::decimamba, "decimamba", false, &plan_decimamba},
    MethodEntry{Method::longmamba, "longmamba", true, &plan_longmamba},
};

}  // namespace

std::span<const MethodEntry> methods() { return registry; }

const MethodEntry& find_method(std::int32_t number) {
    for (const MethodEntry& entry : registry) {
        if (static_cast<std::int32_t>(entry.method) == number) return entry;
    }
    std::string known;
    for (const MethodEntry& entry : registry) {
        known += join(known.empty() ? "" : ", ", static_cast<std::int32_t>(entry.method), " (",
                      entry.name, ")");
    }
    fail(Code::out_of_range, "no context method ", number, "; there are ", known);
}

std::vector<std::int32_t> layer_scope(const Options& options,
                                      const std::vector<std::int32_t>& standard) {
    return options.layers ? *options.layers : standard;
}

std::vector<std::int32_t> all_layers(const Architecture& architecture) {
    std::vector<std::int32_t> layers(static_cast<std::size_t>(architecture.n_layers));
    std::iota(layers.begin(), layers.end(), 0);
    return layers;
}

}  // namespace sipo::context
