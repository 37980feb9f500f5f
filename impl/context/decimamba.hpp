// DeciMamba (Ben-Kish et al., arXiv 2406.14528, section 4): in each layer of the scope the tokens
// with the smallest ‖Δ‖ leave the network. Specification: methods.md section 2.
#pragma once

#include "context/method.hpp"

namespace sipo::context {

// P tokens are kept beside the protected tail R when `length` tokens enter layer number `step` of
// the scope: trunc(max(min(length - R, capacity · rate^step), minimum)), at most length - R.
[[nodiscard]] std::int64_t decimated_length(std::int64_t length, std::int64_t step,
                                            const Options& options, std::int64_t capacity);

[[nodiscard]] Plan plan_decimamba(const Request& request);
[[nodiscard]] std::string describe_decimamba(const Request& request);

}  // namespace sipo::context
