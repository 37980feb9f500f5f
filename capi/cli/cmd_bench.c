/* sipo bench: tokens a second of prefill and decoding. */
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>

#include "allocate.h"
#include "args.h"
#include "clock.h"
#include "commands.h"
#include "interrupt.h"
#include "json.h"
#include "loading.h"
#include "progress.h"
#include "random.h"
#include "report.h"
#include "session_flags.h"
#include "table.h"

enum { most_repeats = 1000 };

typedef struct {
    const char* model;
    int64_t prompt;
    int64_t generate;
    int64_t repeats;
    int64_t seed;
    SessionFlags session;
} BenchArguments;

/* Tokens a second of each repeat. */
typedef struct {
    double prefill[most_repeats];
    double decode[most_repeats];
    char backend[128];
} BenchResult;

static int on_token(void* user, int32_t token, const char* text, size_t length) {
    (void)user, (void)token, (void)text, (void)length;
    return interrupted();
}

static int32_t* random_ids(const sipo_model* model, const BenchArguments* arguments) {
    const size_t count = (size_t)arguments->prompt;
    int32_t* ids = allocate(count, sizeof *ids);
    Random random = {(uint64_t)arguments->seed};
    const uint64_t vocabulary = (uint64_t)model_integer(model, SIPO_MODEL_VOCAB_SIZE);
    for (size_t i = 0; ids != NULL && i < count; ++i) {
        ids[i] = (int32_t)random_below(&random, vocabulary);
    }
    return ids;
}

/* One prefill and one generation; their rates. */
static sipo_status time_once(const BenchArguments* arguments, sipo_session* session,
                             const int32_t* ids, double* prefill, double* decode) {
    sipo_sampling_options* options = NULL;
    sipo_status status = sipo_sampling_options_create(&options);
    if (status == SIPO_OK) status = sipo_sampling_options_set_ignore_end_of_text(options, 1);
    if (status == SIPO_OK) status = sipo_session_reset(session);
    const double start = clock_seconds();
    if (status == SIPO_OK) status = sipo_session_prefill(session, ids, (size_t)arguments->prompt);
    const double middle = clock_seconds();
    size_t generated = 0;
    if (status == SIPO_OK) {
        status = sipo_session_generate(session, options, (size_t)arguments->generate, on_token,
                                       NULL, &generated);
    }
    *prefill = clock_rate((double)arguments->prompt, middle - start);
    *decode = clock_rate((double)generated, clock_seconds() - middle);
    sipo_sampling_options_free(options);
    return status;
}

static int time_repeats(const char* command, const BenchArguments* arguments, sipo_session* session,
                        const int32_t* ids, Progress* progress, BenchResult* result) {
    size_t length = 0;
    sipo_status status =
        sipo_session_backend_name(session, result->backend, sizeof result->backend - 1, &length);
    if (status != SIPO_OK) return report_status(command, status);
    result->backend[length] = '\0';
    progress->whole = (uint64_t)(arguments->repeats * arguments->prompt);
    for (int64_t i = 0; i < arguments->repeats && status == SIPO_OK; ++i) {
        progress->before = (uint64_t)(i * arguments->prompt);
        status = time_once(arguments, session, ids, &result->prefill[i], &result->decode[i]);
    }
    return report_status(command, status);
}

static int compare_reals(const void* left, const void* right) {
    const double a = *(const double*)left;
    const double b = *(const double*)right;
    return (a > b) - (a < b);
}

static double median(const double* sorted, size_t count) {
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static void print_json(const BenchArguments* arguments, const BenchResult* result) {
    const size_t repeats = (size_t)arguments->repeats;
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_string(&json, "backend", result->backend);
    json_string(&json, "context", method_name(arguments->session.context));
    json_integer(&json, "prompt_tokens", arguments->prompt);
    json_integer(&json, "generated_tokens", arguments->generate);
    json_count(&json, "repeats", repeats);
    json_real(&json, "prefill_tokens_per_second", median(result->prefill, repeats));
    json_real(&json, "decode_tokens_per_second", median(result->decode, repeats));
    json_end_object(&json);
}

static void add_row(Table* table, const char* what, int64_t tokens, const double* sorted,
                    size_t count) {
    table_cell(table, "%s", what);
    table_cell(table, "%lld", (long long)tokens);
    table_cell(table, "%.1f", median(sorted, count));
    table_cell(table, "%.1f", sorted[0]);
    table_cell(table, "%.1f", sorted[count - 1]);
}

static int print_result(const Command* command, const BenchArguments* arguments,
                        BenchResult* result) {
    const size_t repeats = (size_t)arguments->repeats;
    qsort(result->prefill, repeats, sizeof(double), compare_reals);
    qsort(result->decode, repeats, sizeof(double), compare_reals);
    if (command->json) {
        print_json(arguments, result);
        return exit_ok;
    }
    printf("%s; context %s; tokens a second of %zu repeats\n\n", result->backend,
           method_name(arguments->session.context), repeats);
    Table table = {.columns = 5};
    const char* const head[] = {"", "tokens", "median", "least", "most"};
    for (size_t i = 0; i < COUNT_OF(head); ++i) table_cell(&table, "%s", head[i]);
    add_row(&table, "prefill", arguments->prompt, result->prefill, repeats);
    add_row(&table, "decode", arguments->generate, result->decode, repeats);
    return table_finish(&table, command->name, stdout);
}

static int run(const Command* command, const BenchArguments* arguments) {
    sipo_model* model = NULL;
    sipo_session* session = NULL;
    int32_t* ids = NULL;
    BenchResult result;
    Progress progress;
    int code = load_model(command, arguments->model, arguments->session.threads, &model);
    progress_begin(&progress, "timing", "tokens", args_silent(command));
    if (code == exit_ok) {
        code = session_open(command, &arguments->session, arguments->session.context, model,
                            &progress, &session);
    }
    if (code == exit_ok) {
        ids = random_ids(model, arguments);
        if (ids == NULL) code = report_no_memory(command->name, "the prompt");
    }
    if (code == exit_ok) {
        code = time_repeats(command->name, arguments, session, ids, &progress, &result);
    }
    progress_clear(&progress);
    if (code == exit_ok) code = print_result(command, arguments, &result);
    free(ids);
    sipo_session_free(session);
    sipo_model_free(model);
    return code;
}

int cmd_bench(int argc, char** argv) {
    BenchArguments a = {.prompt = 512, .generate = 64, .repeats = 3};
    const Option options[] = {
        option_integer("prompt", &a.prompt, 1, 1 << 28, "tokens of the prompt"),
        option_integer("generate", &a.generate, 1, 1 << 28, "tokens generated after it"),
        option_integer("repeats", &a.repeats, 1, most_repeats, "times that both are done"),
        option_integer("seed", &a.seed, 0, INT64_MAX, "chooses the tokens of the prompt"),
    };
    Command command = {
        .name = "bench",
        .usage = "MODEL [options]",
        .about = "Times the reading of a prompt of random tokens and greedy decoding after it.",
        .example = "  sipo bench mamba.sipo --prompt 8192 --context longmamba",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return run(&command, &a);
}
