/* sipo bench: tokens a second of prefill and decoding. */
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>

#include "allocate.h"
#include "args.h"
#include "clock.h"
#include "commands.h"
#include "conversion.h"
#include "interrupt.h"
#include "json.h"
#include "lists.h"
#include "loading.h"
#include "preset.h"
#include "progress.h"
#include "random.h"
#include "report.h"
#include "session_flags.h"
#include "shared_options.h"
#include "table.h"

enum { most_repeats = 1000, most_sequences = 1024 };

typedef struct {
    const char* model; /* NULL: the preset */
    const char* preset;
    const char* save;   /* where the preset's file stays; NULL: nowhere */
    Conversion weights; /* of the preset */
    const char* prompts_text;
    IntegerList prompts; /* tokens of each */
    int64_t generate;
    int64_t batch;
    int64_t repeats;
    int64_t seed;
    SessionFlags session;
} BenchArguments;

/* What is timed: `batch` sessions that read the same prompt. */
typedef struct {
    sipo_session* sessions[most_sequences];
    int32_t* ids;
} BenchRun;

/* Tokens a second of each repeat, for a length of the prompt. */
typedef struct {
    double prefill[most_repeats];
    double decode[most_repeats];
} BenchResult;

static int on_token(void* user, int32_t token, const char* text, size_t length) {
    (void)user, (void)token, (void)text, (void)length;
    return interrupted();
}

static int64_t longest_prompt(const BenchArguments* arguments) {
    int64_t longest = 0;
    for (size_t i = 0; i < arguments->prompts.count; ++i) {
        if (arguments->prompts.items[i] > longest) longest = arguments->prompts.items[i];
    }
    return longest;
}

static int32_t* random_ids(const sipo_model* model, const BenchArguments* arguments) {
    const size_t count = (size_t)longest_prompt(arguments);
    int32_t* ids = allocate(count, sizeof *ids);
    Random random = {(uint64_t)arguments->seed};
    const uint64_t vocabulary = (uint64_t)model_integer(model, SIPO_MODEL_VOCAB_SIZE);
    for (size_t i = 0; ids != NULL && i < count; ++i) {
        ids[i] = (int32_t)random_below(&random, vocabulary);
    }
    return ids;
}

/* Greedy decoding of all sessions together. */
static sipo_status decode_batch(const BenchArguments* arguments, const BenchRun* run) {
    int32_t tokens[most_sequences];
    const size_t batch = (size_t)arguments->batch;
    sipo_status status = SIPO_OK;
    for (int64_t step = 0; step < arguments->generate && status == SIPO_OK; ++step) {
        if (interrupted()) return SIPO_CANCELLED;
        for (size_t i = 0; i < batch && status == SIPO_OK; ++i) {
            status = sipo_session_likeliest(run->sessions[i], &tokens[i]);
        }
        if (status == SIPO_OK) status = sipo_batch_decode(run->sessions, tokens, batch);
    }
    return status;
}

static sipo_status decode_one(const BenchArguments* arguments, const BenchRun* run) {
    sipo_sampling_options* options = NULL;
    size_t generated = 0;
    sipo_status status = sipo_sampling_options_create(&options);
    if (status == SIPO_OK) status = sipo_sampling_options_set_ignore_end_of_text(options, 1);
    if (status == SIPO_OK) {
        status = sipo_session_generate(run->sessions[0], options, (size_t)arguments->generate,
                                       on_token, NULL, &generated);
    }
    sipo_sampling_options_free(options);
    return status;
}

/* The prompts and what follows them, once; their rates in tokens of all sequences. */
static sipo_status time_once(const BenchArguments* arguments, const BenchRun* run, int64_t prompt,
                             Progress* progress, double* prefill, double* decode) {
    const double batch = (double)arguments->batch;
    sipo_status status = SIPO_OK;
    for (int64_t i = 0; i < arguments->batch && status == SIPO_OK; ++i) {
        status = sipo_session_reset(run->sessions[i]);
    }
    const double start = clock_seconds();
    for (int64_t i = 0; i < arguments->batch && status == SIPO_OK; ++i) {
        status = sipo_session_prefill(run->sessions[i], run->ids, (size_t)prompt);
        progress->before += (uint64_t)prompt;
    }
    const double middle = clock_seconds();
    if (status == SIPO_OK) {
        status = arguments->batch == 1 ? decode_one(arguments, run) : decode_batch(arguments, run);
    }
    *prefill = clock_rate(batch * (double)prompt, middle - start);
    *decode = clock_rate(batch * (double)arguments->generate, clock_seconds() - middle);
    return status;
}

/* All repeats of all prompts. */
static int time_prompts(const char* command, const BenchArguments* arguments, const BenchRun* run,
                        Progress* progress, BenchResult* results) {
    sipo_status status = SIPO_OK;
    progress->whole = progress->before = 0;
    for (size_t p = 0; p < arguments->prompts.count; ++p) {
        progress->whole +=
            (uint64_t)(arguments->repeats * arguments->batch * arguments->prompts.items[p]);
    }
    for (size_t p = 0; p < arguments->prompts.count && status == SIPO_OK; ++p) {
        const int64_t prompt = arguments->prompts.items[p];
        for (int64_t i = 0; i < arguments->repeats && status == SIPO_OK; ++i) {
            status = time_once(arguments, run, prompt, progress, &results[p].prefill[i],
                               &results[p].decode[i]);
        }
    }
    return report_status(command, status);
}

static int backend_name(const char* command, sipo_session* session, char* name, size_t size) {
    size_t length = 0;
    const sipo_status status = sipo_session_backend_name(session, name, size - 1, &length);
    if (status == SIPO_OK) name[length] = '\0';
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

static void print_json(const BenchArguments* arguments, const char* backend,
                       const BenchResult* results) {
    const size_t repeats = (size_t)arguments->repeats;
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_string(&json, "backend", backend);
    json_string(&json, "context", method_name(arguments->session.context));
    json_integer(&json, "sequences", arguments->batch);
    json_integer(&json, "generated_tokens", arguments->generate);
    json_count(&json, "repeats", repeats);
    json_begin_array(&json, "prompts");
    for (size_t p = 0; p < arguments->prompts.count; ++p) {
        json_begin_object(&json, NULL);
        json_integer(&json, "prompt_tokens", arguments->prompts.items[p]);
        json_real(&json, "prefill_tokens_per_second", median(results[p].prefill, repeats));
        json_real(&json, "decode_tokens_per_second", median(results[p].decode, repeats));
        json_end_object(&json);
    }
    json_end_array(&json);
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

static int print_results(const Command* command, const BenchArguments* arguments,
                         const char* backend, BenchResult* results) {
    const size_t repeats = (size_t)arguments->repeats;
    for (size_t p = 0; p < arguments->prompts.count; ++p) {
        qsort(results[p].prefill, repeats, sizeof(double), compare_reals);
        qsort(results[p].decode, repeats, sizeof(double), compare_reals);
    }
    if (command->json) {
        print_json(arguments, backend, results);
        return exit_ok;
    }
    printf("%s; context %s; %lld at once; tokens a second of %zu repeats\n\n", backend,
           method_name(arguments->session.context), (long long)arguments->batch, repeats);
    Table table = {.columns = 5};
    const char* const head[] = {"", "tokens", "median", "least", "most"};
    for (size_t i = 0; i < COUNT_OF(head); ++i) table_cell(&table, "%s", head[i]);
    for (size_t p = 0; p < arguments->prompts.count; ++p) {
        add_row(&table, "prefill", arguments->prompts.items[p], results[p].prefill, repeats);
        add_row(&table, "decode", arguments->generate, results[p].decode, repeats);
    }
    return table_finish(&table, command->name, stdout);
}

static int open_model(const Command* command, const BenchArguments* arguments, sipo_model** model) {
    if (arguments->preset == NULL) {
        return load_model(command, arguments->model, arguments->session.backend,
                          arguments->session.threads, model);
    }
    return preset_open(command, arguments->preset, &arguments->weights, arguments->save,
                       arguments->session.backend, model);
}

static int open_sessions(const Command* command, const BenchArguments* arguments,
                         const sipo_model* model, Progress* progress, BenchRun* run) {
    int code = session_open(command, &arguments->session, arguments->session.context, model,
                            progress, &run->sessions[0]);
    /* Copies share threads and working memory. */
    for (int64_t i = 1; i < arguments->batch && code == exit_ok; ++i) {
        code = report_status(command->name, sipo_session_fork(run->sessions[0], &run->sessions[i]));
    }
    if (code != exit_ok) return code;
    run->ids = random_ids(model, arguments);
    if (run->ids != NULL) return exit_ok;
    return report_no_memory(command->name, "the prompt");
}

static int run_bench(const Command* command, const BenchArguments* arguments) {
    sipo_model* model = NULL;
    BenchRun run = {.ids = NULL};
    char backend[128];
    BenchResult* results = allocate_zeroed(arguments->prompts.count, sizeof *results);
    if (results == NULL) return report_no_memory(command->name, "results");
    Progress progress;
    int code = open_model(command, arguments, &model);
    progress_begin(&progress, "timing", "tokens", args_silent(command));
    if (code == exit_ok) code = open_sessions(command, arguments, model, &progress, &run);
    if (code == exit_ok) code = time_prompts(command->name, arguments, &run, &progress, results);
    progress_clear(&progress);
    if (code == exit_ok) {
        code = backend_name(command->name, run.sessions[0], backend, sizeof backend);
    }
    if (code == exit_ok) code = print_results(command, arguments, backend, results);
    free(results);
    for (int64_t i = 0; i < arguments->batch; ++i) sipo_session_free(run.sessions[i]);
    free(run.ids);
    sipo_model_free(model);
    return code;
}

int cmd_bench(int argc, char** argv) {
    BenchArguments a = {.weights = conversion_defaults(SIPO_WEIGHTS_BF16),
                        .prompts_text = "512",
                        .generate = 64,
                        .batch = 1,
                        .repeats = 3};
    a.weights.store = SIPO_STORE_RAW;
    const Option options[] = {
        option_text("preset", "NAME", &a.preset,
                    "instead of MODEL: random weights in the shape of a public model, such as "
                    "mamba-130m, mamba-1.4b or mamba2-130m"),
        option_text("save", "FILE", &a.save, "keep the preset as a model"),
        conversion_weights_option(&a.weights, SIPO_WEIGHTS_F32, "weights of the preset"),
        option_text("prompt", "LIST", &a.prompts_text, "tokens of the prompt; several in turn"),
        option_integer("generate", &a.generate, 1, 1 << 28, "tokens generated after it"),
        option_integer("batch", &a.batch, 1, most_sequences, "sequences decoded together"),
        option_integer("repeats", &a.repeats, 1, most_repeats, "times that both are done"),
        seed_option(&a.seed, "chooses the tokens of the prompt"),
    };
    Command command = {
        .name = "bench",
        .usage = "(MODEL | --preset NAME) [options]",
        .about = "Times the reading of a prompt of random tokens and greedy decoding after it.",
        .example =
            "  sipo bench mamba.sipo --prompt 8192 --context longmamba\n"
            "  sipo bench --preset mamba-130m --weights q8 --batch 16\n"
            "  sipo bench --preset mamba-2.8b --backend cuda --prompt 8192,131072",
        .positionals = {{"MODEL", 1, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if ((a.model == NULL) == (a.preset == NULL)) {
        return report_usage(command.name, "give either MODEL or --preset NAME");
    }
    code = parse_integer_list(command.name, "prompt", a.prompts_text, 1, 1 << 28, &a.prompts);
    return code == exit_ok ? run_bench(&command, &a) : code;
}
