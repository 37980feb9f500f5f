/* sipo eval perplexity: the PG-19 protocol of DeciMamba (arXiv 2406.14528). Up to 11 windows of a
 * text, of which only the last 100 tokens are scored. */
#include <inttypes.h>
#include <math.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "clock.h"
#include "commands.h"
#include "json.h"
#include "lists.h"
#include "loading.h"
#include "progress.h"
#include "report.h"
#include "session_flags.h"
#include "table.h"
#include "text.h"

typedef struct {
    const char* model;
    const char* text;
    const char* lengths_text;
    const char* methods_text;
    int64_t windows;
    int64_t scored;
    IntegerList lengths;
    IntegerList methods;
    SessionFlags session;
} PerplexityArguments;

/* What came of the windows of one method and length. */
typedef struct {
    int64_t windows;
    double nll; /* sum over the scored tokens */
    double tokens;
    double seconds;
} Cell;

typedef struct {
    const Command* command;
    const PerplexityArguments* arguments;
    const sipo_model* model;
    Tokens text;
    float* nll;  /* [scored] */
    Cell* cells; /* [methods, lengths] */
    Progress progress;
} Evaluation;

static Cell* cell_at(const Evaluation* evaluation, size_t method, size_t length) {
    return &evaluation->cells[method * evaluation->arguments->lengths.count + length];
}

static double mean_nll(const Evaluation* evaluation, const Cell* cell) {
    return cell->nll / ((double)cell->windows * (double)evaluation->arguments->scored);
}

/* From one window to the next: max((n - W) / 10, 10) when there are 11. */
static size_t stride_of(const Evaluation* evaluation, size_t window) {
    const int64_t gaps = evaluation->arguments->windows - 1;
    const size_t stride = (evaluation->text.count - window) / (size_t)(gaps > 0 ? gaps : 1);
    return stride < 10 ? 10 : stride;
}

static size_t window_count(const Evaluation* evaluation, size_t window) {
    const size_t fitting = (evaluation->text.count - window) / stride_of(evaluation, window) + 1;
    const size_t wanted = (size_t)evaluation->arguments->windows;
    return fitting < wanted ? fitting : wanted;
}

static int run_cell(Evaluation* evaluation, sipo_session* session, size_t window, Cell* cell) {
    const size_t scored = (size_t)evaluation->arguments->scored;
    const size_t windows = window_count(evaluation, window);
    const size_t stride = stride_of(evaluation, window);
    for (size_t i = 0; i < windows; ++i) {
        sipo_status status = sipo_session_reset(session);
        const double start = clock_seconds();
        if (status == SIPO_OK) {
            status = sipo_session_score(session, evaluation->text.ids + i * stride, window, scored,
                                        evaluation->nll);
        }
        if (status != SIPO_OK) return report_status(evaluation->command->name, status);
        cell->seconds += clock_seconds() - start;
        cell->tokens += (double)window;
        for (size_t j = 0; j < scored; ++j) cell->nll += (double)evaluation->nll[j];
        ++cell->windows;
        evaluation->progress.before += window;
    }
    return exit_ok;
}

static int run_method(Evaluation* evaluation, size_t method) {
    const PerplexityArguments* a = evaluation->arguments;
    sipo_session* session = NULL;
    int code = session_open(evaluation->command, &a->session, a->methods.items[method],
                            evaluation->model, &evaluation->progress, &session);
    for (size_t length = 0; length < a->lengths.count && code == exit_ok; ++length) {
        code = run_cell(evaluation, session, (size_t)a->lengths.items[length],
                        cell_at(evaluation, method, length));
    }
    sipo_session_free(session);
    return code;
}

/* Checks the lengths against the text, and makes room for the results. */
static int prepare(Evaluation* evaluation) {
    const PerplexityArguments* a = evaluation->arguments;
    const char* command = evaluation->command->name;
    uint64_t whole = 0;
    for (size_t i = 0; i < a->lengths.count; ++i) {
        const size_t window = (size_t)a->lengths.items[i];
        if (window > evaluation->text.count) {
            return report_failure(command, "%s has %zu tokens, fewer than --lengths %zu", a->text,
                                  evaluation->text.count, window);
        }
        whole += window * window_count(evaluation, window);
    }
    progress_begin(&evaluation->progress, "perplexity", "tokens", args_silent(evaluation->command));
    evaluation->progress.whole = whole * a->methods.count;
    evaluation->nll = allocate((size_t)a->scored, sizeof *evaluation->nll);
    evaluation->cells =
        allocate_zeroed(a->methods.count * a->lengths.count, sizeof *evaluation->cells);
    if (evaluation->nll != NULL && evaluation->cells != NULL) return exit_ok;
    return report_no_memory(command, "results");
}

static void print_json(const Evaluation* evaluation) {
    const PerplexityArguments* a = evaluation->arguments;
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_string(&json, "model", a->model);
    json_integer(&json, "scored", a->scored);
    json_begin_array(&json, "results");
    for (size_t length = 0; length < a->lengths.count; ++length) {
        for (size_t method = 0; method < a->methods.count; ++method) {
            const Cell* cell = cell_at(evaluation, method, length);
            json_begin_object(&json, NULL);
            json_integer(&json, "length", a->lengths.items[length]);
            json_string(&json, "method", method_name(a->methods.items[method]));
            json_integer(&json, "windows", cell->windows);
            json_real(&json, "mean_nll", mean_nll(evaluation, cell));
            json_real(&json, "perplexity", exp(mean_nll(evaluation, cell)));
            json_real(&json, "tokens_per_second", clock_rate(cell->tokens, cell->seconds));
            json_end_object(&json);
        }
    }
    json_end_array(&json);
    json_end_object(&json);
}

static int print_table(const Evaluation* evaluation) {
    const PerplexityArguments* a = evaluation->arguments;
    Table table = {.columns = 2 + 2 * a->methods.count};
    table_cell(&table, "tokens");
    table_cell(&table, "windows");
    for (size_t method = 0; method < a->methods.count; ++method) {
        table_cell(&table, "%s", method_name(a->methods.items[method]));
        table_cell(&table, "tok/s");
    }
    for (size_t length = 0; length < a->lengths.count; ++length) {
        table_cell(&table, "%" PRId64, a->lengths.items[length]);
        table_cell(&table, "%" PRId64, cell_at(evaluation, 0, length)->windows);
        for (size_t method = 0; method < a->methods.count; ++method) {
            const Cell* cell = cell_at(evaluation, method, length);
            table_cell(&table, "%.2f", exp(mean_nll(evaluation, cell)));
            table_cell(&table, "%.0f", clock_rate(cell->tokens, cell->seconds));
        }
    }
    return table_finish(&table, evaluation->command->name, stdout);
}

static int run(const Command* command, const PerplexityArguments* arguments) {
    Evaluation evaluation;
    memset(&evaluation, 0, sizeof evaluation);
    evaluation.command = command;
    evaluation.arguments = arguments;
    sipo_model* model = NULL;
    int code = load_model(command, arguments->model, arguments->session.backend,
                          arguments->session.threads, &model);
    evaluation.model = model;
    if (code == exit_ok) {
        code = tokens_from_text_file(command->name, model, arguments->text, &evaluation.text);
    }
    if (code == exit_ok) {
        code = session_check(command, &arguments->session, &arguments->methods, model);
    }
    if (code == exit_ok) code = prepare(&evaluation);
    for (size_t method = 0; method < arguments->methods.count && code == exit_ok; ++method) {
        code = run_method(&evaluation, method);
    }
    progress_clear(&evaluation.progress);
    if (code == exit_ok && command->json) print_json(&evaluation);
    if (code == exit_ok && !command->json) code = print_table(&evaluation);
    free(evaluation.cells);
    free(evaluation.nll);
    tokens_free(&evaluation.text);
    sipo_model_free(model);
    return code;
}

static int check_arguments(const char* command, PerplexityArguments* a) {
    if (a->text == NULL) return report_usage(command, "--text FILE is missing");
    int code = parse_integer_list(command, "lengths", a->lengths_text, a->scored + 1, 1 << 28,
                                  &a->lengths);
    if (code == exit_ok) code = parse_methods(command, a->methods_text, &a->session, &a->methods);
    /* Scored tokens must not be dropped, nor the one before them. */
    if (a->session.protected_tail == NOT_GIVEN) a->session.protected_tail = a->scored + 1;
    return code;
}

int eval_perplexity(int argc, char** argv) {
    PerplexityArguments a = {.lengths_text = "2048,8192", .windows = 11, .scored = 100};
    const Option options[] = {
        option_text("text", "FILE", &a.text, "text to predict"),
        option_text("lengths", "LIST", &a.lengths_text, "tokens of the windows"),
        option_integer("windows", &a.windows, 1, 100000, "at most so many, spread over the text"),
        option_integer("scored", &a.scored, 1, 1 << 20, "tokens scored at the end of a window"),
        option_text("methods", "LIST", &a.methods_text,
                    "context methods to compare, such as none,longmamba (default: that of "
                    "--context)"),
    };
    Command command = {
        .name = "eval perplexity",
        .usage = "MODEL --text FILE [options]",
        .about =
            "Prints how well the model predicts the last tokens of windows of a text, by\n"
            "length of the window and context method. The protected tail of decimamba is one\n"
            "token more than are scored, unless it is given.",
        .example =
            "  sipo eval perplexity mamba.sipo --text book.txt --lengths 2048,16384 \\\n"
            "      --methods none,longmamba",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    code = check_arguments(command.name, &a);
    return code == exit_ok ? run(&command, &a) : code;
}
