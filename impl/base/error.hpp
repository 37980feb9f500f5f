// The engine's one exception type. It becomes a status at the C ABI and nowhere else.
#pragma once

#include <cstdint>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

namespace sipo {

// The numbers are those of `sipo_status` in sipo.h; capi/src/status.cpp asserts that they agree.
enum class Code : std::int32_t {
    invalid_argument = 100,
    out_of_range = 110,
    invalid_state = 120,
    buffer_too_small = 130,
    busy = 140,
    timed_out = 150,
    not_found = 200,
    io_error = 210,
    corrupt_file = 300,
    unsupported = 310,
    out_of_memory = 400,
    backend_error = 410,
    cancelled = 500,
    internal = 900,
};

class Error : public std::runtime_error {
public:
    Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
    [[nodiscard]] Code code() const noexcept { return code_; }

private:
    Code code_;
};

// Joins its arguments with operator<<: join("layer ", 3, " of ", 8).
template <typename... Parts>
[[nodiscard]] std::string join(const Parts&... parts) {
    std::ostringstream out;
    out.imbue(std::locale::classic());  // not the host's
    (out << ... << parts);
    return out.str();
}

// Throws an Error whose one-line message is the joined parts. A message names the value, the legal
// range and, where there is one, the way out.
template <typename... Parts>
[[noreturn]] void fail(Code code, const Parts&... parts) {
    throw Error(code, join(parts...));
}

}  // namespace sipo
