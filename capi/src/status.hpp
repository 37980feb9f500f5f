// From exceptions to statuses: the only place where the engine's errors become numbers.
#pragma once

#include <exception>
#include <new>

#include "base/error.hpp"
#include "sipo/sipo.h"

namespace sipo::capi {

// Remembers a one-line message for sipo_last_error_message() of this thread. Never throws.
void set_last_error(const char* message) noexcept;

[[nodiscard]] const char* last_error() noexcept;

// Runs `fn`, a callable without result, and returns its status.
template <typename Fn>
[[nodiscard]] sipo_status guarded(const Fn& fn) noexcept {
    try {
        fn();
        return SIPO_OK;
    } catch (const Error& error) {
        set_last_error(error.what());
        return static_cast<sipo_status>(error.code());
    } catch (const std::bad_alloc&) {
        set_last_error("out of memory");
        return SIPO_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        set_last_error(error.what());
        return SIPO_INTERNAL;
    } catch (...) {
        set_last_error("an exception of unknown type; did a callback throw it?");
        return SIPO_INTERNAL;
    }
}

}  // namespace sipo::capi
