#include "context/method.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include "base/error.hpp"
#include "context/decimamba.hpp"
#include "context/longmamba.hpp"
#include "format/layout.hpp"

namespace sipo::context {
namespace {

Plan plan_none(const Request& request) {
    return Plan(static_cast<std::size_t>(request.architecture.n_layers));
}

std::string describe_none(const Request&) { return "none"; }

constexpr std::array registry{
    MethodEntry{Method::none, "none", false, &plan_none, &describe_none},
    MethodEntry{Method::decimamba, "decimamba", false, &plan_decimamba, &describe_decimamba},
    MethodEntry{Method::longmamba, "longmamba", true, &plan_longmamba, &describe_longmamba},
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

bool drops_tokens(const Plan& plan) {
    return std::any_of(plan.begin(), plan.end(),
                       [](const LayerPlan& layer) { return layer.kept_tokens.has_value(); });
}

std::uint64_t key_of(const Plan& plan) {
    std::vector<std::uint64_t> parts;
    for (const LayerPlan& layer : plan) {
        parts.push_back(checksum_of(std::as_bytes(std::span(layer.delta_threshold))));
        parts.push_back(checksum_of(std::as_bytes(std::span(layer.delta_scale))));
        parts.push_back(static_cast<std::uint64_t>(layer.kept_tokens.value_or(-1)));
        parts.push_back(static_cast<std::uint64_t>(layer.protected_tail));
    }
    return checksum_of(std::as_bytes(std::span(parts)));
}

std::string text_of(std::span<const std::int32_t> layers) {
    std::string text;
    for (const std::int32_t layer : layers) text += join(text.empty() ? "" : ", ", layer);
    return text;
}

std::string text_of(double value) {
    std::array<char, 32> digits{};
    const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    return {digits.data(), result.ptr};
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
