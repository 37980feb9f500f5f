// What names a stored prefix.
#pragma once

#include <compare>
#include <cstdint>

namespace sipo {

struct PrefixKey {
    std::int64_t length = 0;     // tokens
    std::uint64_t hash = 0;      // of the tokens: a hint, the tokens themselves are compared
    std::uint64_t plan_key = 0;  // what the context method does to them
    // clang-tidy 14 takes the comparison with 0 in it for one with NULL.
    auto operator<=>(const PrefixKey&) const = default;  // NOLINT(modernize-use-nullptr)
};

}  // namespace sipo
