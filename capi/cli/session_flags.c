/* The options of every command that runs a session. */
#include "session_flags.h"

#include <string.h>

#include "report.h"
#include "shared_options.h"

static const int64_t most_tokens = INT64_C(1) << 40;

static const Choice methods_known[] = {{"none", SIPO_CONTEXT_NONE},
                                       {"decimamba", SIPO_CONTEXT_DECIMAMBA},
                                       {"longmamba", SIPO_CONTEXT_LONGMAMBA},
                                       {"profile", context_of_profile},
                                       {NULL, 0}};
static const Choice channel_kinds[] = {{"global", SIPO_CHANNELS_GLOBAL},
                                       {"local", SIPO_CHANNELS_LOCAL},
                                       {"random", SIPO_CHANNELS_RANDOM},
                                       {NULL, 0}};

OptionGroup session_flags_group(SessionFlags* flags) {
    memset(flags, 0, sizeof *flags);
    flags->context = SIPO_CONTEXT_NONE;
    flags->decimation_rate = flags->global_threshold = NOT_GIVEN_REAL;
    flags->decimation_capacity = flags->decimation_min_tokens = NOT_GIVEN;
    flags->protected_tail = flags->expected_tokens = NOT_GIVEN;
    flags->chunk = NOT_GIVEN;
    flags->filtered_channels = SIPO_CHANNELS_GLOBAL;
    const Option options[session_option_count] = {
        option_choice("context", "none|decimamba|longmamba|profile", &flags->context, methods_known,
                      "how to go beyond the training length; profile: as the profile says that "
                      "'sipo tune' saved"),
        option_default(
            option_text("layers", "4,5|all", &flags->layers, "layers that the method acts in"),
            "for decimamba the middle one, for longmamba all"),
        option_default(
            option_real("decimation-rate", &flags->decimation_rate, 0, 1,
                        "decimamba: each further layer keeps this share of the one before"),
            "0.5"),
        option_default(option_integer("decimation-capacity", &flags->decimation_capacity, 1,
                                      most_tokens, "decimamba: tokens that the first layer keeps"),
                       "the training length"),
        option_default(option_integer("decimation-min-tokens", &flags->decimation_min_tokens, 1,
                                      most_tokens, "decimamba: never keep fewer"),
                       "20"),
        option_default(option_integer("protected-tail", &flags->protected_tail, 1, most_tokens,
                                      "decimamba: tokens at the end that are always kept"),
                       "1"),
        option_default(global_threshold_option(&flags->global_threshold), "0.01"),
        option_choice("filtered-channels", "global|local|random", &flags->filtered_channels,
                      channel_kinds, "longmamba: channels that skip unimportant tokens"),
        option_integer("channel-seed", &flags->channel_seed, 0, INT64_MAX,
                       "longmamba: chooses the random channels"),
        option_default(profile_option(&flags->profile, "longmamba: calibration profile"),
                       "\"default\""),
        option_default(option_integer("expected-tokens", &flags->expected_tokens, 0, most_tokens,
                                      "longmamba: filter as for this total length"),
                       "that of the prompt"),
        backend_option(&flags->backend),
        threads_option(&flags->threads),
        option_default(option_integer("chunk", &flags->chunk, 1, 65536,
                                      "tokens of the prompt that go together"),
                       "the backend's"),
    };
    memcpy(flags->options, options, sizeof options);
    return (OptionGroup){"Session", flags->options, session_option_count};
}

static int set_layers(const char* command, const char* text, sipo_session_options* options) {
    if (text == NULL) return exit_ok;
    if (strcmp(text, "all") == 0) {
        return report_status(command, sipo_session_options_set_all_layers(options));
    }
    IntegerList list;
    const int code = parse_integer_list(command, "layers", text, 0, INT32_MAX, &list);
    if (code != exit_ok) return code;
    int32_t layers[list_capacity];
    for (size_t i = 0; i < list.count; ++i) layers[i] = (int32_t)list.items[i];
    return report_status(command, sipo_session_options_set_layers(options, layers, list.count));
}

static sipo_status set_decimamba(const SessionFlags* flags, sipo_session_options* options) {
    sipo_status status = SIPO_OK;
    if (!isnan(flags->decimation_rate)) {
        status = sipo_session_options_set_decimation_rate(options, flags->decimation_rate);
    }
    if (status == SIPO_OK && flags->decimation_capacity != NOT_GIVEN) {
        status = sipo_session_options_set_decimation_capacity(options, flags->decimation_capacity);
    }
    if (status == SIPO_OK && flags->decimation_min_tokens != NOT_GIVEN) {
        status =
            sipo_session_options_set_decimation_min_tokens(options, flags->decimation_min_tokens);
    }
    if (status == SIPO_OK && flags->protected_tail != NOT_GIVEN) {
        status = sipo_session_options_set_protected_tail(options, flags->protected_tail);
    }
    return status;
}

static sipo_status set_longmamba(const SessionFlags* flags, sipo_session_options* options) {
    sipo_status status = sipo_session_options_set_filtered_channels(
        options, (int32_t)flags->filtered_channels, (uint64_t)flags->channel_seed);
    if (status == SIPO_OK && !isnan(flags->global_threshold)) {
        status =
            sipo_session_options_set_global_channel_threshold(options, flags->global_threshold);
    }
    if (status == SIPO_OK && flags->profile != NULL) {
        status = sipo_session_options_set_profile(options, flags->profile);
    }
    if (status == SIPO_OK && flags->expected_tokens != NOT_GIVEN) {
        status = sipo_session_options_set_expected_tokens(options, flags->expected_tokens);
    }
    return status;
}

static sipo_status set_computation(const SessionFlags* flags, Progress* progress,
                                   sipo_session_options* options) {
    sipo_status status = sipo_session_options_set_threads(options, (int32_t)flags->threads);
    if (status == SIPO_OK && flags->chunk != NOT_GIVEN) {
        status = sipo_session_options_set_chunk_tokens(options, flags->chunk);
    }
    if (status == SIPO_OK && progress != NULL) {
        status = sipo_session_options_set_progress(options, progress_update, progress);
    }
    return status;
}

/* A profile with settings goes first; what is given beside it prevails. */
static sipo_status set_method(const SessionFlags* flags, int64_t method,
                              sipo_session_options* options) {
    if (method != context_of_profile) {
        return sipo_session_options_set_context(options, (int32_t)method);
    }
    return sipo_session_options_use_profile(options,
                                            flags->profile == NULL ? "default" : flags->profile);
}

static int apply(const char* command, const SessionFlags* flags, int64_t method, Progress* progress,
                 sipo_session_options* options) {
    const int of_profile = method == context_of_profile;
    sipo_status status = set_method(flags, method, options);
    if (status == SIPO_OK && (method == SIPO_CONTEXT_DECIMAMBA || of_profile)) {
        status = set_decimamba(flags, options);
    }
    if (status == SIPO_OK && (method == SIPO_CONTEXT_LONGMAMBA || of_profile)) {
        status = set_longmamba(flags, options);
    }
    if (status == SIPO_OK) status = set_computation(flags, progress, options);
    if (status != SIPO_OK) return report_status(command, status);
    return set_layers(command, flags->layers, options);
}

int session_options_open(const Command* command, const SessionFlags* flags, int64_t method,
                         const sipo_model* model, Progress* progress,
                         sipo_session_options** options) {
    sipo_session_options* made = NULL;
    int code = report_status(command->name, sipo_session_options_create(model, &made));
    if (code == exit_ok) code = apply(command->name, flags, method, progress, made);
    if (code == exit_ok) {
        *options = made;
    } else {
        sipo_session_options_free(made);
    }
    return code;
}

int session_open(const Command* command, const SessionFlags* flags, int64_t method,
                 const sipo_model* model, Progress* progress, sipo_session** session) {
    sipo_session_options* options = NULL;
    int code = session_options_open(command, flags, method, model, progress, &options);
    if (code == exit_ok) {
        code = report_status(command->name, sipo_session_create(options, session));
    }
    sipo_session_options_free(options);
    return code;
}

int session_check(const Command* command, const SessionFlags* flags, const IntegerList* methods,
                  const sipo_model* model) {
    int code = exit_ok;
    for (size_t i = 0; i < methods->count && code == exit_ok; ++i) {
        sipo_session* session = NULL;
        code = session_open(command, flags, methods->items[i], model, NULL, &session);
        sipo_session_free(session);
    }
    return code;
}

Option methods_option(const char** methods) {
    return option_default(option_text("methods", "LIST", methods,
                                      "context methods side by side, such as none,longmamba"),
                          "that of --context");
}

int parse_methods(const char* command, const char* text, const SessionFlags* flags,
                  IntegerList* methods) {
    if (text != NULL) return parse_choice_list(command, "methods", text, methods_known, methods);
    methods->items[0] = flags->context;
    methods->count = 1;
    return exit_ok;
}

const char* method_name(int64_t method) {
    const Choice* choice = methods_known;
    while (choice->name != NULL && choice->value != method) ++choice;
    return choice->name == NULL ? "?" : choice->name;
}
