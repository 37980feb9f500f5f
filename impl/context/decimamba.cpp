#include "context/decimamba.hpp"

#include <algorithm>
#include <cmath>

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

Plan plan_decimamba(const Request& request) {
    const Architecture& arch = request.architecture;
    const Options& options = request.options;
    Plan plan(static_cast<std::size_t>(arch.n_layers));
    const std::int64_t capacity = options.decimation_capacity.value_or(arch.training_length);
    const auto middle = static_cast<std::int32_t>(arch.n_layers / 2);
    std::int64_t length = request.tokens;
    std::int64_t step = 0;
    for (const std::int32_t layer : layer_scope(options, {middle})) {
        const std::int64_t kept = decimated_length(length, step++, options, capacity);
        if (kept >= length - options.protected_tail) continue;
        LayerPlan& wish = plan[static_cast<std::size_t>(layer)];
        wish.kept_tokens = kept;
        wish.protected_tail = options.protected_tail;
        length = kept + options.protected_tail;
    }
    return plan;
}

}  // namespace sipo::context
