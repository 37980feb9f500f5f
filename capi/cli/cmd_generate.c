/* sipo generate: goes on with a prompt, token by token. */
#include <errno.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "clock.h"
#include "commands.h"
#include "interrupt.h"
#include "json.h"
#include "loading.h"
#include "progress.h"
#include "report.h"
#include "session_flags.h"
#include "shared_options.h"
#include "text.h"

typedef struct {
    const char* model;
    const char* standard_input; /* "-" or NULL */
    const char* prompt;
    const char* prompt_file;
    int64_t max_tokens;
    double temperature;
    int64_t top_k;
    double top_p;
    double min_p;
    double repetition_penalty;
    int64_t repetition_window;
    int64_t seed;
    int ignore_end;
    const char* stop; /* or NULL, as the next two */
    const char* load_state;
    const char* save_state;
    SessionFlags session;
} GenerateArguments;

/* Where the tokens go: to standard output at once, or into a text for --json. */
typedef struct {
    int keep;
    char* text;
    size_t length;
    size_t capacity;
    size_t tokens;
    int failed; /* no memory, or standard output cannot be written */
} Sink;

typedef struct {
    size_t prompt_tokens;
    double prefill_seconds;
    double decode_seconds;
} Timing;

static int keep_text(Sink* sink, const char* text, size_t length) {
    if (length > sink->capacity - sink->length) {
        const size_t capacity = 2 * (sink->capacity + length);
        char* more = reallocate(sink->text, capacity, 1);
        if (more == NULL) return 0;
        sink->text = more;
        sink->capacity = capacity;
    }
    if (length > 0) memcpy(sink->text + sink->length, text, length);
    sink->length += length;
    return 1;
}

static int on_token(void* user, int32_t token, const char* text, size_t length) {
    Sink* sink = user;
    if (token >= 0) ++sink->tokens;
    if (sink->keep) {
        sink->failed = !keep_text(sink, text, length);
    } else if (fwrite(text, 1, length, stdout) != length || fflush(stdout) != 0) {
        sink->failed = 1; /* main() says so */
    }
    return sink->failed || interrupted();
}

static sipo_status set_sampling(const GenerateArguments* arguments,
                                sipo_sampling_options* options) {
    sipo_status status = sipo_sampling_options_set_temperature(options, arguments->temperature);
    if (status == SIPO_OK) {
        status = sipo_sampling_options_set_top_k(options, (int32_t)arguments->top_k);
    }
    if (status == SIPO_OK) status = sipo_sampling_options_set_top_p(options, arguments->top_p);
    if (status == SIPO_OK) status = sipo_sampling_options_set_min_p(options, arguments->min_p);
    if (status == SIPO_OK) {
        status = sipo_sampling_options_set_repetition_penalty(
            options, arguments->repetition_penalty, arguments->repetition_window);
    }
    if (status == SIPO_OK) {
        status = sipo_sampling_options_set_seed(options, (uint64_t)arguments->seed);
    }
    if (status == SIPO_OK) {
        status = sipo_sampling_options_set_ignore_end_of_text(options, arguments->ignore_end);
    }
    if (status == SIPO_OK && arguments->stop != NULL) {
        status = sipo_sampling_options_add_stop(options, arguments->stop, strlen(arguments->stop));
    }
    if (status == SIPO_OK) {
        status = sipo_sampling_options_set_resume(options, arguments->load_state != NULL);
    }
    return status;
}

static int read_prompt(const char* command, const GenerateArguments* arguments,
                       const sipo_model* model, Tokens* tokens) {
    const char* path = arguments->standard_input != NULL ? "-" : arguments->prompt_file;
    if (path == NULL && arguments->prompt == NULL) return exit_ok; /* a state goes on without one */
    const int code = path != NULL ? tokens_from_text_file(command, model, path, tokens)
                                  : tokens_from_text(command, model, arguments->prompt,
                                                     strlen(arguments->prompt), tokens);
    if (code == exit_ok && tokens->count == 0)
        return report_failure(command, "the prompt is empty");
    return code;
}

static void print_statistics(const Timing* timing, const Sink* sink) {
    fprintf(stderr, "%zu prompt tokens, %.1f tok/s; %zu generated tokens, %.1f tok/s\n",
            timing->prompt_tokens,
            clock_rate((double)timing->prompt_tokens, timing->prefill_seconds), sink->tokens,
            clock_rate((double)sink->tokens, timing->decode_seconds));
}

static const char* finish_of(const sipo_session* session) {
    double finish = SIPO_FINISH_NONE;
    (void)sipo_session_get_statistic(session, SIPO_SESSION_FINISH, &finish);
    switch ((int32_t)finish) {
        case SIPO_FINISH_END_OF_TEXT: return "end_of_text";
        case SIPO_FINISH_STOP_SEQUENCE: return "stop_sequence";
        case SIPO_FINISH_TOKEN_LIMIT: return "max_tokens";
        default: return "interrupt";
    }
}

static void print_json(const sipo_session* session, const Timing* timing, const Sink* sink) {
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_text(&json, "text", sink->text == NULL ? "" : sink->text, sink->length);
    json_string(&json, "stopped_by", interrupted() ? "interrupt" : finish_of(session));
    json_count(&json, "prompt_tokens", timing->prompt_tokens);
    json_real(&json, "prefill_tokens_per_second",
              clock_rate((double)timing->prompt_tokens, timing->prefill_seconds));
    json_count(&json, "generated_tokens", sink->tokens);
    json_real(&json, "generated_tokens_per_second",
              clock_rate((double)sink->tokens, timing->decode_seconds));
    json_end_object(&json);
}

/* Generates after the prompt; the exit code. What there is when Ctrl-C comes is shown. */
static int generate(const Command* command, const GenerateArguments* arguments,
                    sipo_session* session, Timing* timing) {
    Sink sink = {.keep = command->json};
    size_t generated = 0;
    sipo_sampling_options* options = NULL;
    sipo_status status = sipo_sampling_options_create(&options);
    if (status == SIPO_OK) status = set_sampling(arguments, options);
    const double start = clock_seconds();
    if (status == SIPO_OK) {
        status = sipo_session_generate(session, options, (size_t)arguments->max_tokens, on_token,
                                       &sink, &generated);
    }
    timing->decode_seconds = clock_seconds() - start;
    sipo_sampling_options_free(options);
    if (status == SIPO_OK || status == SIPO_CANCELLED) {
        if (command->json) print_json(session, timing, &sink);
        if (!command->json) putchar('\n');
        fflush(stdout); /* before the statistics */
        if (!args_silent(command)) print_statistics(timing, &sink);
    }
    free(sink.text);
    if (sink.failed) {
        return sink.keep ? report_no_memory(command->name, "the text") : exit_failure;
    }
    return report_status(command->name, status);
}

static int run(const Command* command, const GenerateArguments* arguments) {
    sipo_model* model = NULL;
    sipo_session* session = NULL;
    Tokens prompt = {NULL, 0};
    Timing timing = {0, 0, 0};
    Progress progress;
    int code = load_model(command, arguments->model, arguments->session.backend,
                          arguments->session.threads, &model);
    if (code == exit_ok) code = read_prompt(command->name, arguments, model, &prompt);
    progress_begin(&progress, "reading", "tokens", args_silent(command));
    if (code == exit_ok) {
        code = session_open(command, &arguments->session, arguments->session.context, model,
                            &progress, &session);
    }
    if (code == exit_ok && arguments->load_state != NULL) {
        code = report_status(command->name, sipo_session_load(session, arguments->load_state));
    }
    if (code == exit_ok && prompt.count > 0) {
        timing.prompt_tokens = prompt.count;
        const double start = clock_seconds();
        const sipo_status status = sipo_session_prefill(session, prompt.ids, prompt.count);
        timing.prefill_seconds = clock_seconds() - start;
        progress_clear(&progress);
        code = report_status(command->name, status);
    }
    if (code == exit_ok) code = generate(command, arguments, session, &timing);
    if (code == exit_ok && arguments->save_state != NULL) {
        code =
            report_status(command->name, sipo_session_save(session, arguments->save_state, NULL));
    }
    sipo_session_free(session);
    tokens_free(&prompt);
    sipo_model_free(model);
    return code;
}

static int check_prompt(const char* command, const GenerateArguments* arguments) {
    const char* input = arguments->standard_input;
    if (input != NULL && strcmp(input, "-") != 0) {
        return report_usage(command, "unexpected argument '%s'; a prompt is given as --prompt TEXT",
                            input);
    }
    const int given =
        (arguments->prompt != NULL) + (arguments->prompt_file != NULL) + (input != NULL);
    if (given == 1 || (given == 0 && arguments->load_state != NULL)) return exit_ok;
    return report_usage(command, "give one of --prompt TEXT, --prompt-file FILE and -");
}

int cmd_generate(int argc, char** argv) {
    GenerateArguments a = {
        .max_tokens = 128, .top_p = 1, .repetition_penalty = 1, .repetition_window = 64};
    const Option options[] = {
        option_text("prompt", "TEXT", &a.prompt, "the prompt"),
        option_text("prompt-file", "FILE", &a.prompt_file,
                    "a file that holds it; '-' as an argument takes standard input"),
        max_tokens_option(&a.max_tokens, INT64_C(1) << 40, "stop after so many"),
        option_real("temperature", &a.temperature, 0, 100, "0 takes the likeliest token"),
        option_integer("top-k", &a.top_k, 0, 1 << 24, "sample among the k likeliest; 0: all"),
        option_real("top-p", &a.top_p, 0, 1,
                    "sample among the likeliest that together reach this probability"),
        option_real("min-p", &a.min_p, 0, 1,
                    "drop tokens less likely than this share of the likeliest"),
        option_real("repetition-penalty", &a.repetition_penalty, 0, 100,
                    "above 1: make what was just generated less likely"),
        option_integer("repetition-window", &a.repetition_window, 0, 1 << 24,
                       "tokens that it looks back"),
        seed_option(&a.seed, "the same seed gives the same text"),
        option_flag("ignore-eos", &a.ignore_end, "go on past the end of text"),
        option_text("stop", "TEXT", &a.stop, "end where this text would come"),
        option_text("load-state", "FILE", &a.load_state,
                    "start where the session was whose state is in this file; then a prompt is "
                    "optional"),
        option_text("save-state", "FILE", &a.save_state,
                    "keep where the session stands at the end, for --load-state"),
    };
    Command command = {
        .name = "generate",
        .usage = "MODEL (--prompt TEXT | --prompt-file FILE | -) [options]",
        .about =
            "Goes on with a prompt; the text streams to standard output, the statistics go to\n"
            "standard error. A context method lets the prompt be far longer than what the\n"
            "model was trained with.",
        .example =
            "  sipo generate mamba.sipo --prompt 'Once upon a time' --temperature 0.8\n"
            "  sipo generate mamba.sipo --prompt-file book.txt --context longmamba\n"
            "  sipo generate mamba.sipo --prompt-file book.txt --save-state book.state\n"
            "  sipo generate mamba.sipo --load-state book.state --prompt 'Who is Ishmael?'",
        .positionals = {{"MODEL", 0, &a.model}, {"-", 1, &a.standard_input}},
        .positional_count = 2,
        .groups = {{"Generation", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    code = check_prompt(command.name, &a);
    return code == exit_ok ? run(&command, &a) : code;
}
