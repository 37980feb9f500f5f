// sipo.h and sipo.hpp need nothing but themselves, in strict C++11; either may come first, and
// twice.
#include "sipo/sipo.hpp"

// The C header after the one that includes it.
#include "sipo/sipo.h"

// And once more.
#include "sipo/sipo.hpp"

#include <type_traits>

template <typename Type>
constexpr bool moves_only() {
    return std::is_nothrow_move_constructible<Type>::value &&
           std::is_nothrow_move_assignable<Type>::value &&
           !std::is_copy_constructible<Type>::value && !std::is_copy_assignable<Type>::value;
}

static_assert(moves_only<sipo::Model>(), "");
static_assert(moves_only<sipo::ModelOptions>(), "");
static_assert(moves_only<sipo::Session>(), "");
static_assert(moves_only<sipo::SessionOptions>(), "");
static_assert(moves_only<sipo::SamplingOptions>(), "");
static_assert(moves_only<sipo::Calibration>(), "");
static_assert(moves_only<sipo::CalibrationOptions>(), "");
static_assert(moves_only<sipo::ImportOptions>(), "");
static_assert(std::is_base_of<std::runtime_error, sipo::Error>::value, "");

int main() { return sipo::version_number() == SIPO_VERSION_NUMBER ? 0 : 1; }
