#include "import/config_fields.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/quote.hpp"

namespace sipo {
namespace {

std::string without_infinity(std::string_view text) {
    constexpr std::string_view word = "Infinity";
    constexpr std::string_view number = "1e308   ";
    std::string result(text);
    bool in_string = false;
    for (std::size_t i = 0; i < result.size(); ++i) {
        if (in_string && result[i] == '\\') {
            ++i;
        } else if (result[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && result.compare(i, word.size(), word) == 0) {
            result.replace(i, word.size(), number);
        }
    }
    return result;
}

bool is_tagged_infinity(const Json& value) {
    return value.is_object() && value.size() == 1 && value.contains("__float__") &&
           value["__float__"] == "Infinity";
}

float limit_of(const JsonObject& config, const char* key, const Json& value) {
    constexpr float largest = Architecture{}.delta_max;
    if (is_tagged_infinity(value)) return largest;
    if (!value.is_number()) {
        fail(Code::corrupt_file, config.source(), ": \"", key, "\" is not two numbers");
    }
    return static_cast<float>(std::min(value.get<double>(), static_cast<double>(largest)));
}

}  // namespace

Json parse_config(std::string_view text, const std::string& source) {
    return parse_json(without_infinity(text), source);
}

void unsupported_setting(const JsonObject& config, std::string_view key, const std::string& value,
                         const char* wanted) {
    fail(Code::unsupported, config.source(), ": \"", key, "\" is ", value, "; this engine runs ",
         wanted);
}

void require_setting(const JsonObject& config, const char* key, bool wanted) {
    if (config.boolean(key, wanted) == wanted) return;
    unsupported_setting(config, key, wanted ? "false" : "true", wanted ? "true" : "false");
}

std::int64_t expanded(const JsonObject& config, std::int64_t d_model, const char* d_model_key) {
    constexpr double too_large = 0x1p40;
    const double product = config.number("expand", 2.0) * static_cast<double>(d_model);
    if (!(std::abs(product) < too_large) || product != std::floor(product)) {
        fail(Code::unsupported, config.source(), R"(: "expand" times ")", d_model_key, "\" is ",
             product, ", which is no size");
    }
    return static_cast<std::int64_t>(product);
}

std::int64_t dt_rank_of(const JsonObject& config, const char* key, std::int64_t d_model) {
    const Json* const rank = config.find(key);
    if (rank != nullptr && !(rank->is_string() && config.text(key) == "auto")) {
        return config.integer(key);
    }
    return d_model < 1 ? d_model : (d_model - 1) / 16 + 1;
}

void read_delta_limits(const JsonObject& config, const char* key, Architecture& a) {
    if (!config.has(key)) return;
    const Json& limit = config.array(key);
    if (limit.size() != 2) {
        fail(Code::corrupt_file, config.source(), ": \"", key, "\" is not two numbers");
    }
    a.delta_min = limit_of(config, key, limit[0]);
    a.delta_max = limit_of(config, key, limit[1]);
}

void validate_config(const Architecture& a, const std::string& source) {
    try {
        validate(a);
    } catch (const Error& error) {
        fail(error.code(), source, ": ", error.what());
    }
}

}  // namespace sipo
