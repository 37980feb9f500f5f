/* sipo.h needs nothing but itself, in strict C99. */
#include "sipo/sipo.h"

typedef char version_is_one_number[SIPO_VERSION_NUMBER ==
                                           100 * (100 * SIPO_VERSION_MAJOR + SIPO_VERSION_MINOR) +
                                               SIPO_VERSION_PATCH
                                       ? 1
                                       : -1];

/* Every callback type can be written by hand from its comment. */
static int on_progress(void* user, uint64_t done, uint64_t total) {
    (void)user;
    return done > total;
}

static int on_token(void* user, int32_t token, const char* text, size_t text_length) {
    (void)user;
    return token < 0 || (text == NULL && text_length > 0);
}

static int on_log(void* user, int32_t level, const char* message, size_t length) {
    (void)user;
    return level < 1 || (message == NULL && length > 0);
}

int main(void) {
    const sipo_progress_fn progress = on_progress;
    const sipo_token_fn token = on_token;
    const sipo_log_fn log = on_log;
    const sipo_status status = SIPO_OK;
    const int64_t most = SIPO_MAX_COUNT;
    version_is_one_number unused;
    (void)unused;
    return status + progress(NULL, 0, 1) + token(NULL, 1, "", 0) + log(NULL, 1, "", 0) +
           (most <= 0);
}
