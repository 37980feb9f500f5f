/* sipo eval passkey: does the model find a number hidden in a text? By method, length and depth. */
#include <inttypes.h>
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
#include "lists.h"
#include "loading.h"
#include "passkey_prompt.h"
#include "progress.h"
#include "report.h"
#include "session_flags.h"
#include "table.h"

/* Tokens that an answer may take: a space and five digits, with some to spare. */
enum { answer_tokens = 8 };

typedef struct {
    const char* model;
    const char* noise;
    const char* lengths_text;
    const char* depths_text;
    const char* methods_text;
    int64_t samples;
    int64_t seed;
    int by_depth;
    int show;
    IntegerList lengths;
    RealList depths;
    IntegerList methods;
    SessionFlags session;
} PasskeyArguments;

/* What came of the prompts of one method, length and depth, or of several depths. */
typedef struct {
    int64_t correct;
    int64_t total;
    double tokens;
    double seconds; /* of prefill */
} Cell;

typedef struct {
    const Command* command;
    const PasskeyArguments* arguments;
    PasskeySource source;
    Cell* cells; /* [methods, lengths, depths] */
    Progress progress;
} Evaluation;

typedef struct {
    char text[64];
    size_t length;
} Answer;

static Cell* cell_at(const Evaluation* evaluation, size_t method, size_t length, size_t depth) {
    const PasskeyArguments* a = evaluation->arguments;
    return &evaluation->cells[(method * a->lengths.count + length) * a->depths.count + depth];
}

/* The sum over the depths. */
static Cell all_depths(const Evaluation* evaluation, size_t method, size_t length) {
    Cell sum = {0, 0, 0, 0};
    for (size_t depth = 0; depth < evaluation->arguments->depths.count; ++depth) {
        const Cell* cell = cell_at(evaluation, method, length, depth);
        sum.correct += cell->correct;
        sum.total += cell->total;
        sum.tokens += cell->tokens;
        sum.seconds += cell->seconds;
    }
    return sum;
}

static double accuracy(const Cell* cell) {
    return cell->total == 0 ? 0 : (double)cell->correct / (double)cell->total;
}

static const char* trimmed(const Answer* answer) {
    return answer->text[0] == ' ' ? answer->text + 1 : answer->text;
}

/* Gathers the answer and stops when it is long enough. */
static int on_token(void* user, int32_t token, const char* text, size_t length) {
    Answer* answer = user;
    (void)token;
    const size_t room = sizeof answer->text - 1 - answer->length;
    const size_t taken = length < room ? length : room;
    if (taken > 0) memcpy(answer->text + answer->length, text, taken);
    answer->length += taken;
    answer->text[answer->length] = '\0';
    return interrupted() || strlen(trimmed(answer)) >= passkey_digits;
}

/* Lets the session answer the prompt and counts the result. */
static int ask(Evaluation* evaluation, sipo_session* session, const PasskeyPrompt* prompt,
               Answer* answer, Cell* cell) {
    const char* command = evaluation->command->name;
    sipo_status status = sipo_session_reset(session);
    const double start = clock_seconds();
    if (status == SIPO_OK) {
        status = sipo_session_prefill(session, prompt->tokens.ids, prompt->tokens.count);
    }
    cell->seconds += clock_seconds() - start;
    if (status != SIPO_OK) return report_status(command, status);
    size_t generated = 0;
    status = sipo_session_generate(session, NULL, answer_tokens, on_token, answer, &generated);
    if (interrupted()) return report_cancelled(command);
    if (status != SIPO_CANCELLED && status != SIPO_OK) return report_status(command, status);
    cell->tokens += (double)prompt->tokens.count;
    cell->correct += strncmp(trimmed(answer), prompt->key, passkey_digits) == 0;
    ++cell->total;
    return exit_ok;
}

static void show_answer(Evaluation* evaluation, size_t method, size_t length, size_t depth,
                        const PasskeyPrompt* prompt, const Answer* answer) {
    const PasskeyArguments* a = evaluation->arguments;
    if (!a->show) return;
    progress_clear(&evaluation->progress);
    fprintf(stderr, "%s, %" PRId64 " tokens, depth %g: %s, answer '%s'\n",
            method_name(a->methods.items[method]), a->lengths.items[length], a->depths.items[depth],
            prompt->key, trimmed(answer));
}

/* All prompts of one method, length and depth. */
static int run_cell(Evaluation* evaluation, sipo_session* session, size_t method, size_t length,
                    size_t depth) {
    const PasskeyArguments* a = evaluation->arguments;
    const char* command = evaluation->command->name;
    int code = exit_ok;
    for (int64_t sample = 0; sample < a->samples && code == exit_ok; ++sample) {
        PasskeyPrompt prompt = {{NULL, 0}, ""};
        Answer answer = {"", 0};
        code = passkey_prompt_make(command, &evaluation->source, (size_t)a->lengths.items[length],
                                   a->depths.items[depth], (uint64_t)a->seed, (uint64_t)sample,
                                   &prompt);
        if (code == exit_ok) {
            code = ask(evaluation, session, &prompt, &answer,
                       cell_at(evaluation, method, length, depth));
        }
        if (code == exit_ok) {
            evaluation->progress.before += prompt.tokens.count;
            show_answer(evaluation, method, length, depth, &prompt, &answer);
        }
        passkey_prompt_free(&prompt);
    }
    return code;
}

static int run_method(Evaluation* evaluation, size_t method) {
    const PasskeyArguments* a = evaluation->arguments;
    sipo_session* session = NULL;
    int code = session_open(evaluation->command, &a->session, a->methods.items[method],
                            evaluation->source.model, &evaluation->progress, &session);
    for (size_t length = 0; length < a->lengths.count && code == exit_ok; ++length) {
        for (size_t depth = 0; depth < a->depths.count && code == exit_ok; ++depth) {
            code = run_cell(evaluation, session, method, length, depth);
        }
    }
    sipo_session_free(session);
    return code;
}

/* Finds what cannot work before hours of what can. */
static int check_early(const Evaluation* evaluation) {
    const PasskeyArguments* a = evaluation->arguments;
    const Command* command = evaluation->command;
    int code = session_check(command, &a->session, &a->methods, evaluation->source.model);
    for (size_t i = 0; i < a->lengths.count && code == exit_ok; ++i) {
        PasskeyPrompt prompt = {{NULL, 0}, ""};
        code = passkey_prompt_make(command->name, &evaluation->source, (size_t)a->lengths.items[i],
                                   0, 0, 0, &prompt);
        passkey_prompt_free(&prompt);
    }
    return code;
}

static int run_methods(Evaluation* evaluation) {
    const PasskeyArguments* a = evaluation->arguments;
    const size_t cells = a->methods.count * a->lengths.count * a->depths.count;
    evaluation->cells = allocate_zeroed(cells, sizeof *evaluation->cells);
    if (evaluation->cells == NULL) return report_no_memory(evaluation->command->name, "results");
    uint64_t whole = 0;
    for (size_t i = 0; i < a->lengths.count; ++i) whole += (uint64_t)a->lengths.items[i];
    progress_begin(&evaluation->progress, "passkey", "tokens", args_silent(evaluation->command));
    evaluation->progress.whole = whole * a->depths.count * a->methods.count * (uint64_t)a->samples;
    int code = exit_ok;
    for (size_t method = 0; method < a->methods.count && code == exit_ok; ++method) {
        code = run_method(evaluation, method);
    }
    progress_clear(&evaluation->progress);
    return code;
}

static void write_cell(Json* json, const Cell* cell) {
    json_integer(json, "correct", cell->correct);
    json_integer(json, "total", cell->total);
    json_real(json, "accuracy", accuracy(cell));
    json_real(json, "tokens_per_second", clock_rate(cell->tokens, cell->seconds));
}

static void write_result(Json* json, const Evaluation* evaluation, size_t method, size_t length) {
    const PasskeyArguments* a = evaluation->arguments;
    const Cell sum = all_depths(evaluation, method, length);
    json_begin_object(json, NULL);
    json_integer(json, "length", a->lengths.items[length]);
    json_string(json, "method", method_name(a->methods.items[method]));
    write_cell(json, &sum);
    json_begin_array(json, "depths");
    for (size_t depth = 0; depth < a->depths.count; ++depth) {
        json_begin_object(json, NULL);
        json_real(json, "depth", a->depths.items[depth]);
        write_cell(json, cell_at(evaluation, method, length, depth));
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

static void print_json(const Evaluation* evaluation) {
    const PasskeyArguments* a = evaluation->arguments;
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_string(&json, "model", a->model);
    json_integer(&json, "samples", a->samples);
    json_integer(&json, "seed", a->seed);
    json_begin_array(&json, "results");
    for (size_t length = 0; length < a->lengths.count; ++length) {
        for (size_t method = 0; method < a->methods.count; ++method) {
            write_result(&json, evaluation, method, length);
        }
    }
    json_end_array(&json);
    json_end_object(&json);
}

/* A row a length; a method takes a column, one for each depth if asked for, and one for the speed.
 */
static int print_table(const Evaluation* evaluation) {
    const PasskeyArguments* a = evaluation->arguments;
    const size_t depths = a->by_depth ? a->depths.count : 0;
    Table table = {.columns = 1 + a->methods.count * (2 + depths)};
    table_cell(&table, "tokens");
    for (size_t method = 0; method < a->methods.count; ++method) {
        table_cell(&table, "%s", method_name(a->methods.items[method]));
        for (size_t depth = 0; depth < depths; ++depth) {
            table_cell(&table, "@%g", a->depths.items[depth]);
        }
        table_cell(&table, "tok/s");
    }
    for (size_t length = 0; length < a->lengths.count; ++length) {
        table_cell(&table, "%" PRId64, a->lengths.items[length]);
        for (size_t method = 0; method < a->methods.count; ++method) {
            const Cell sum = all_depths(evaluation, method, length);
            table_cell(&table, "%.2f", accuracy(&sum));
            for (size_t depth = 0; depth < depths; ++depth) {
                table_cell(&table, "%.2f", accuracy(cell_at(evaluation, method, length, depth)));
            }
            table_cell(&table, "%.0f", clock_rate(sum.tokens, sum.seconds));
        }
    }
    return table_finish(&table, evaluation->command->name, stdout);
}

static int run(const Command* command, const PasskeyArguments* arguments) {
    Evaluation evaluation;
    memset(&evaluation, 0, sizeof evaluation);
    evaluation.command = command;
    evaluation.arguments = arguments;
    sipo_model* model = NULL;
    int code = load_model(command, arguments->model, arguments->session.backend,
                          arguments->session.threads, &model);
    if (code == exit_ok) {
        code = passkey_source_open(command->name, model, arguments->noise, &evaluation.source);
    }
    if (code == exit_ok) code = check_early(&evaluation);
    if (code == exit_ok) code = run_methods(&evaluation);
    if (code == exit_ok && command->json) print_json(&evaluation);
    if (code == exit_ok && !command->json) code = print_table(&evaluation);
    free(evaluation.cells);
    passkey_source_free(&evaluation.source);
    sipo_model_free(model);
    return code;
}

static int check_arguments(const char* command, PasskeyArguments* a) {
    if (a->noise == NULL) return report_usage(command, "--noise TEXT is missing");
    int code = parse_integer_list(command, "lengths", a->lengths_text, 1, 1 << 28, &a->lengths);
    if (code == exit_ok)
        code = parse_real_list(command, "depths", a->depths_text, 0, 1, &a->depths);
    if (code == exit_ok) code = parse_methods(command, a->methods_text, &a->session, &a->methods);
    return code;
}

int eval_passkey(int argc, char** argv) {
    PasskeyArguments a = {
        .lengths_text = "2048,4096,8192", .depths_text = "0,.25,.5,.75,1", .samples = 4};
    const Option options[] = {
        option_text("noise", "TEXT", &a.noise, "file of ordinary text that hides the number"),
        option_text("lengths", "LIST", &a.lengths_text, "tokens of the prompts, question included"),
        option_text("depths", "LIST", &a.depths_text,
                    "where the number stands: 0 the beginning, 1 the end"),
        option_integer("samples", &a.samples, 1, 100000, "prompts of each length and depth"),
        option_integer("seed", &a.seed, 0, INT64_MAX, "chooses text and numbers"),
        option_text("methods", "LIST", &a.methods_text,
                    "context methods to compare, such as none,longmamba (default: that of "
                    "--context)"),
        option_flag("by-depth", &a.by_depth, "a column for each depth"),
        option_flag("show", &a.show, "print each answer on standard error"),
    };
    Command command = {
        .name = "eval passkey",
        .usage = "MODEL --noise TEXT [options]",
        .about =
            "Hides \"The pass key is 73914. Remember it.\" with a random number at the end of\n"
            "a sentence of a text, asks for it, and prints the share of answers with all five\n"
            "digits right. All methods get the same prompts.",
        .example =
            "  sipo eval passkey mamba.sipo --noise book.txt --lengths 4096,16384 \\\n"
            "      --methods none,decimamba,longmamba --samples 10",
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
