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
static_assert(same(Code::busy, SIPO_BUSY));
static_assert(same(Code::timed_out, SIPO_TIMED_OUT));
static_assert(same(Code::not_found, SIPO_NOT_FOUND));
static_assert(same(Code::io_error, SIPO_IO_ERROR));
static_assert(same(Code::corrupt_file, SIPO_CORRUPT_FILE));
static_assert(same(Code::unsupported, SIPO_UNSUPPORTED));
static_assert(same(Code::out_of_memory, SIPO_OUT_OF_MEMORY));
static_assert(same(Code::backend_error, SIPO_BACKEND_ERROR));
static_assert(same(Code::cancelled, SIPO_CANCELLED));
static_assert(same(Code::internal, SIPO_INTERNAL));

bool continues_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

// Bytes of the code point at the start of a text that ends with NUL; 0 when they are not UTF-8.
std::size_t code_point_length(const char* text) {
    const auto first = static_cast<unsigned char>(text[0]);
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (std::size_t i = 1; i < length; ++i) {
        if (!continues_code_point(text[i])) return 0;
    }
    const auto second = static_cast<unsigned char>(text[1]);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool no_character = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    return overlong || no_character ? 0 : length;
}

bool is_control(char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f; }

}  // namespace

// Names and paths in a message may be anything: what is not UTF-8 becomes '?', a control character
// becomes a space.
void set_last_error(const char* message) noexcept {
    std::size_t used = 0;
    while (*message != '\0') {
        const std::size_t length = code_point_length(message);
        const std::size_t bytes = length > 0 ? length : 1;
        if (used + bytes >= message_of_thread.size()) break;
        std::memcpy(&message_of_thread[used], message, bytes);
        if (length == 0) message_of_thread[used] = '?';
        if (is_control(*message)) message_of_thread[used] = ' ';
        used += bytes;
        message += bytes;
    }
    message_of_thread[used] = '\0';
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
        case SIPO_BUSY: return "SIPO_BUSY";
        case SIPO_TIMED_OUT: return "SIPO_TIMED_OUT";
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
