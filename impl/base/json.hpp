// JSON from outside: bounded depth, no duplicate keys, every fault an Error that names the source.
// The one header that shows nlohmann-json.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace sipo {

using Json = nlohmann::json;

inline constexpr int json_depth_limit = 64;

// Throws Code::corrupt_file for malformed text, a key given twice in one object, or nesting deeper
// than `max_depth`. `source` names the text in messages, such as "config.json".
[[nodiscard]] Json parse_json(std::string_view text, const std::string& source,
                              int max_depth = json_depth_limit);

// Typed access to the members of an object. A member that is absent or null counts as not given;
// one of another type is Code::corrupt_file with the source and the key in the message.
class JsonObject {
public:
    // Keeps a reference to `value`, which must be an object.
    JsonObject(const Json& value, std::string source);

    [[nodiscard]] const Json* find(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
    [[nodiscard]] const Json& at(std::string_view key) const;

    [[nodiscard]] std::int64_t integer(std::string_view key) const;
    [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t fallback) const;
    [[nodiscard]] double number(std::string_view key, double fallback) const;
    [[nodiscard]] bool boolean(std::string_view key, bool fallback) const;
    [[nodiscard]] std::string text(std::string_view key) const;
    [[nodiscard]] std::string text(std::string_view key, const std::string& fallback) const;
    // A member that is itself an object or an array.
    [[nodiscard]] JsonObject object(std::string_view key) const;
    [[nodiscard]] const Json& array(std::string_view key) const;

    [[nodiscard]] const Json& value() const noexcept { return *value_; }
    [[nodiscard]] const std::string& source() const noexcept { return source_; }

private:
    [[noreturn]] void wrong_type(std::string_view key, const char* wanted) const;

    const Json* value_;
    std::string source_;
};

// An integral JSON number that fits 64 bits signed; anything else is Code::corrupt_file.
[[nodiscard]] std::int64_t json_integer(const Json& value, const std::string& what);

}  // namespace sipo
