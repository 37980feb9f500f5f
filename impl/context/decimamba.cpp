#include "context/decimamba.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace sipo::context {

std::int64_t decimated_length(std::int64_t length, std::int64_t step, const Options& options,
                              std::int64_t capacity) {
    const std::int64_t candidates = length - options.protected_tail;
    if (candidates <= 0) return 0;
    const double capped =
        std::min(static_cast<double>(candidates),
                 static_cast<double>(capacity) *
                     std::pow(options.decimation_rate, static_cast<double>(step)));
    const double kept =
        std::trunc(std::max(capped, static_cast<double>(options.decimation_min_tokens)));
    return std::min(static_cast<std::int64_t>(kept), candidates);
}

namespace {

std::int64_t capacity_of(const Request& request) {
    return request.options.decimation_capacity.value_or(request.architecture.training_length);
}

std::vector<std::int32_t> scope_of(const Request& request) {
    return layer_scope(request.options,
                       {static_cast<std::int32_t>(request.architecture.n_layers / 2)});
}

}  // namespace

Plan plan_decimamba(const Request& request) {
    const Options& options = request.options;
    Plan plan(static_cast<std::size_t>(request.architecture.n_layers));
    const std::int64_t capacity = capacity_of(request);
    std::int64_t length = request.tokens;
    std::int64_t step = 0;
    for (const std::int32_t layer : scope_of(request)) {
        const std::int64_t kept = decimated_length(length, step++, options, capacity);
        if (kept >= length - options.protected_tail) continue;
        LayerPlan& wish = plan[static_cast<std::size_t>(layer)];
        wish.kept_tokens = kept;
        wish.protected_tail = options.protected_tail;
        length = kept + options.protected_tail;
    }
    return plan;
}

std::string describe_decimamba(const Request& request) {
    const Options& options = request.options;
    return join("decimamba, rate ", text_of(options.decimation_rate), ", capacity ",
                capacity_of(request), ", minimum ", options.decimation_min_tokens,
                ", protected tail ", options.protected_tail, ", layers ",
                text_of(scope_of(request)));
}

}  // namespace sipo::context
