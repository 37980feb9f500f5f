#include "status.hpp"

#include <array>
#include <cstring>

namespace sipo::capi {
namespace {

// Plain memory: nothing to destroy when a thread or the host ends.
thread_local std::array<char, 1024> message_of_thread{};

constexpr bool same(Code code, sipo_status status) {
    return static_cast<sipo_status>(code) == status;
}
static_assert(same(Code::invalid_argument, SIPO_INVALID_ARGUMENT));
static_assert(same(Code::out_of_range, SIPO_OUT_OF_RANGE));
static_assert(same(Code::invalid_state, SIPO_INVALID_STATE));
static_assert(same(Code::buffer_too_small, SIPO_BUFFER_TOO_SMALL));
static_assert(same(Code::not_found, SIPO_NOT_FOUND));
static_assert(same(Code::io_error, SIPO_IO_ERROR));
static_assert(same(Code::corrupt_file, SIPO_CORRUPT_FILE));
static_assert(same(Code::unsupported, SIPO_UNSUPPORTED));
static_assert(same(Code::out_of_memory, SIPO_OUT_OF_MEMORY));
static_assert(same(Code::backend_error, SIPO_BACKEND_ERROR));
static_assert(same(Code::cancelled, SIPO_CANCELLED));
static_assert(same(Code::internal, SIPO_INTERNAL));

bool continues_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

}  // namespace

void set_last_error(const char* message) noexcept {
    std::size_t length = std::strlen(message);
    if (length >= message_of_thread.size()) {
        length = message_of_thread.size() - 1;
        while (length > 0 && continues_code_point(message[length])) --length;
    }
    for (std::size_t i = 0; i < length; ++i) {
        const bool breaks_line = message[i] == '\n' || message[i] == '\r';
        message_of_thread[i] = breaks_line ? ' ' : message[i];
    }
    message_of_thread[length] = '\0';
}

const char* last_error() noexcept { return message_of_thread.data(); }

}  // namespace sipo::capi

extern "C" {

const char* sipo_last_error_message(void) { return sipo::capi::last_error(); }

const char* sipo_status_name(sipo_status status) {
    switch (status) {
        case SIPO_OK: return "SIPO_OK";
        case SIPO_INVALID_ARGUMENT: return "SIPO_INVALID_ARGUMENT";
        case SIPO_OUT_OF_RANGE: return "SIPO_OUT_OF_RANGE";
        case SIPO_INVALID_STATE: return "SIPO_INVALID_STATE";
        case SIPO_BUFFER_TOO_SMALL: return "SIPO_BUFFER_TOO_SMALL";
        case SIPO_NOT_FOUND: return "SIPO_NOT_FOUND";
        case SIPO_IO_ERROR: return "SIPO_IO_ERROR";
        case SIPO_CORRUPT_FILE: return "SIPO_CORRUPT_FILE";
        case SIPO_UNSUPPORTED: return "SIPO_UNSUPPORTED";
        case SIPO_OUT_OF_MEMORY: return "SIPO_OUT_OF_MEMORY";
        case SIPO_BACKEND_ERROR: return "SIPO_BACKEND_ERROR";
        case SIPO_CANCELLED: return "SIPO_CANCELLED";
        case SIPO_INTERNAL: return "SIPO_INTERNAL";
        default: return "unknown status";
    }
}

int32_t sipo_version_number(void) { return SIPO_VERSION_NUMBER; }

const char* sipo_version_string(void) { return SIPO_VERSION_STRING; }

}  // extern "C"
