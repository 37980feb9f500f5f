// Arithmetic on sizes that come from outside: an overflow is an Error, never a wrapped number.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.hpp"

namespace sipo {

template <typename Integer>
[[nodiscard]] Integer checked_add(Integer left, Integer right) {
    Integer sum{};
    if (__builtin_add_overflow(left, right, &sum)) {
        fail(Code::out_of_range, "size overflow: ", left, " + ", right);
    }
    return sum;
}

template <typename Integer>
[[nodiscard]] Integer checked_mul(Integer left, Integer right) {
    Integer product{};
    if (__builtin_mul_overflow(left, right, &product)) {
        fail(Code::out_of_range, "size overflow: ", left, " * ", right);
    }
    return product;
}

template <typename Integer>
[[nodiscard]] constexpr Integer ceil_div(Integer value, Integer step) {
    return (value + step - 1) / step;
}

template <typename Integer>
[[nodiscard]] constexpr Integer round_up(Integer value, Integer step) {
    return ceil_div(value, step) * step;
}

}  // namespace sipo
