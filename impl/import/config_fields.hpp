// What the config.json of several layouts have in common.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "format/architecture.hpp"

namespace sipo {

// Python writes an infinite number as the bare word Infinity, which is no JSON, and newer
// transformers as {"__float__": "Infinity"}. A huge number of the same width takes the word's place,
// so that positions in messages stay true.
[[nodiscard]] Json parse_config(std::string_view text, const std::string& source);

[[noreturn]] void unsupported_setting(const JsonObject& config, std::string_view key,
                                      const std::string& value, const char* wanted);

// Refuses a boolean that is not `wanted`; absent counts as that.
void require_setting(const JsonObject& config, const char* key, bool wanted);

// d_inner when it is given as a factor of d_model.
[[nodiscard]] std::int64_t expanded(const JsonObject& config, std::int64_t d_model,
                                    const char* d_model_key);

// Mamba-1's: a number, or "auto" for a sixteenth of d_model, rounded up.
[[nodiscard]] std::int64_t dt_rank_of(const JsonObject& config, const char* key,
                                      std::int64_t d_model);

// Two numbers, the second perhaps infinite; absent leaves the defaults.
void read_delta_limits(const JsonObject& config, const char* key, Architecture& a);

// validate(), with `source` before the message.
void validate_config(const Architecture& a, const std::string& source);

}  // namespace sipo
