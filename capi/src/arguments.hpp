// Checks of arguments that come through the ABI, and the one way results are written out.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "sipo/sipo.h"

namespace sipo::capi {

template <typename Type>
Type& require(Type* pointer, const char* name) {
    if (pointer == nullptr) fail(Code::invalid_argument, name, " is NULL");
    return *pointer;
}

inline std::string require_text(const char* text, const char* name) {
    require(text, name);
    if (*text == '\0') fail(Code::invalid_argument, name, " is empty");
    return text;
}

inline void check_count(std::size_t count, const char* name) {
    if (count > static_cast<std::size_t>(SIPO_MAX_COUNT)) {
        fail(Code::out_of_range, name, " is ", count, "; legal are 0 to ", SIPO_MAX_COUNT);
    }
}

// An array of the caller's: NULL only when it is empty.
template <typename Element>
std::span<Element> require_array(Element* data, std::size_t count, const char* name) {
    check_count(count, name);
    if (data == nullptr && count > 0) {
        fail(Code::invalid_argument, name, " is NULL with a count of ", count);
    }
    return {data, count};
}

template <typename Integer>
Integer in_range(Integer value, Integer low, Integer high, const char* name) {
    if (value < low || value > high) {
        fail(Code::out_of_range, name, " is ", value, "; legal are ", low, " to ", high);
    }
    return value;
}

// A real number in an interval; NaN is in none. `interval` is how the message writes it: "(0, 1]".
inline double in_interval(double value, bool inside, const char* interval, const char* name) {
    if (std::isnan(value) || !inside) {
        fail(Code::out_of_range, name, " is ", value, "; legal is ", interval);
    }
    return value;
}

inline int thread_count(std::int32_t threads) { return in_range(threads, 0, 256, "threads"); }

// Room for `count` results? With (NULL, 0) the caller only asks how many there are.
template <typename Element>
bool wants_results(Element* data, std::size_t capacity, std::size_t count, const char* name) {
    if (data == nullptr && capacity == 0) return false;
    require(data, name);
    if (capacity < count) {
        fail(Code::buffer_too_small, name, " has room for ", capacity, "; ", count, " are needed");
    }
    return true;
}

template <typename Element>
void write_results(std::span<const Element> values, Element* data, std::size_t capacity,
                   std::size_t* count, const char* name) {
    require(count, "count");
    if (wants_results(data, capacity, values.size(), name) && !values.empty()) {
        std::memcpy(data, values.data(), values.size_bytes());
    }
    *count = values.size();
}

inline void write_text(std::string_view value, char* text, std::size_t capacity,
                       std::size_t* length, const char* name) {
    write_results(std::span<const char>(value.data(), value.size()), text, capacity, length, name);
}

inline ProgressFn make_progress(sipo_progress_fn fn, void* user) {
    if (fn == nullptr) return {};
    return [fn, user](std::uint64_t done, std::uint64_t total) { return fn(user, done, total); };
}

}  // namespace sipo::capi
