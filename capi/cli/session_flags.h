/* The options of every command that runs a session: the context method and its parameters. */
#ifndef SIPO_CLI_SESSION_FLAGS_H_
#define SIPO_CLI_SESSION_FLAGS_H_

#include <sipo/sipo.h>

#include "args.h"
#include "lists.h"
#include "progress.h"

enum { session_option_count = 14, method_count = 4 };

/* --context profile, beside SIPO_CONTEXT_*. */
enum { context_of_profile = -1 };

typedef struct {
    int64_t context; /* SIPO_CONTEXT_*, or context_of_profile */
    double decimation_rate;
    int64_t decimation_capacity;
    int64_t decimation_min_tokens;
    int64_t protected_tail;
    double global_threshold;
    int64_t filtered_channels; /* SIPO_CHANNELS_* */
    int64_t channel_seed;
    const char* profile;
    int64_t expected_tokens;
    const char* layers;
    const char* backend;
    int64_t threads; /* 0: all processors */
    int64_t chunk;
    Option options[session_option_count];
} SessionFlags;

/* The group of these options in a command's table; `flags` has to stay where it is. */
OptionGroup session_flags_group(SessionFlags* flags);

/* Options with `method` instead of flags->context; the exit code. `progress` may be NULL. */
int session_options_open(const Command* command, const SessionFlags* flags, int64_t method,
                         const sipo_model* model, Progress* progress,
                         sipo_session_options** options);

/* A session with `method` instead of flags->context; the exit code. `progress` may be NULL. */
int session_open(const Command* command, const SessionFlags* flags, int64_t method,
                 const sipo_model* model, Progress* progress, sipo_session** session);

/* Fails now if a session of one of the methods would fail after the work of those before it. */
int session_check(const Command* command, const SessionFlags* flags, const IntegerList* methods,
                  const sipo_model* model);

Option methods_option(const char** methods);

/* The methods of --methods, or flags->context alone when `text` is NULL; the exit code. */
int parse_methods(const char* command, const char* text, const SessionFlags* flags,
                  IntegerList* methods);

/* "none", "decimamba", "longmamba" or "profile". */
const char* method_name(int64_t method);

#endif /* SIPO_CLI_SESSION_FLAGS_H_ */
