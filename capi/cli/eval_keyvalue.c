/* sipo eval keyvalue: the value of one key among many (Liu et al., arXiv 2307.03172). */
#include <inttypes.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "commands.h"
#include "eval_report.h"
#include "loading.h"
#include "random.h"
#include "report.h"
#include "session_flags.h"
#include "text_metrics.h"

enum { key_digits = 6, answer_tokens = 12 };

typedef struct {
    const char* model;
    const char* pairs_text;
    const char* depths_text;
    const char* methods;
    int64_t samples;
    int64_t seed;
    EvalOutput output;
    SessionFlags session;
    RealList depths;
    const sipo_model* opened;
} KeyValueArguments;

/* "Key 482913 has the value 550218.\n" as often as there are pairs, then the question. The keys
 * differ: they count up from a random start by a step that is prime to their number. */
static int make(const EvalTask* task, size_t index, EvalCase* made) {
    static const char pair[] = "Key %06" PRIu64 " has the value %06" PRIu64 ".\n";
    const KeyValueArguments* a = task->own;
    const size_t samples = (size_t)a->samples;
    made->part = index / samples % task->parts;
    made->row = index / samples / task->parts;
    made->max_tokens = answer_tokens;
    const size_t pairs = (size_t)task->row_values[made->row];
    const size_t wanted = (size_t)(a->depths.items[made->part] * (double)(pairs - 1) + .5);
    Random random = {(uint64_t)a->seed};
    random_mix(&random, pairs);
    random_mix(&random, index);
    const size_t room = (pairs + 2) * sizeof pair;
    char* text = allocate(room + pairs * (2 * key_digits), 1);
    if (text == NULL) return report_no_memory(task->command, "a prompt");
    const uint64_t start = random_below(&random, 1000000);
    uint64_t asked = 0;
    size_t length = 0;
    for (size_t i = 0; i < pairs; ++i) {
        const uint64_t key = (start + i * UINT64_C(387419)) % 1000000;
        const uint64_t value = random_below(&random, 1000000);
        length += (size_t)sprintf(text + length, pair, key, value);
        if (i != wanted) continue;
        asked = key;
        snprintf(made->right, sizeof made->right, "%06" PRIu64, value);
    }
    length += (size_t)sprintf(text + length, "Key %06" PRIu64 " has the value", asked);
    const int code = tokens_from_text(task->command, a->opened, text, length, &made->prompt);
    free(text);
    return code;
}

static int stop(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    (void)task, (void)index, (void)asked;
    return strlen(answer) > key_digits + 1;
}

static double score(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    (void)task, (void)index;
    return metric_exact(answer, asked->right);
}

static void write_facts(Json* json, const void* user) {
    const KeyValueArguments* a = user;
    json_string(json, "model", a->model);
    json_integer(json, "samples", a->samples);
    json_integer(json, "seed", a->seed);
}

static int run(const Command* command, KeyValueArguments* a) {
    Variant variants[method_count];
    size_t count = 0;
    sipo_model* model = NULL;
    IntegerList pairs;
    int code = parse_integer_list(command->name, "pairs", a->pairs_text, 1, 1000000, &pairs);
    if (code == exit_ok) {
        code = parse_real_list(command->name, "depths", a->depths_text, 0, 1, &a->depths);
    }
    if (code == exit_ok) {
        code = variants_of_methods(command->name, a->methods, &a->session, variants, &count);
    }
    if (code == exit_ok) {
        code = load_model(command, a->model, a->session.backend, a->session.threads, &model);
    }
    if (code == exit_ok) {
        a->opened = model;
        EvalTask task = {.command = command->name,
                         .name = "keyvalue",
                         .result = "accuracy",
                         .measure = measure_share,
                         .row_name = "pairs",
                         .row_key = "pairs",
                         .rows = pairs.count,
                         .part_key = "depth",
                         .parts = a->depths.count,
                         .cases = pairs.count * a->depths.count * (size_t)a->samples,
                         .own = a,
                         .make = make,
                         .stop = stop,
                         .score = score};
        memcpy(task.row_values, pairs.items, sizeof task.row_values);
        memcpy(task.part_values, a->depths.items, sizeof task.part_values);
        code =
            eval_run_and_report(command, model, &task, variants, count, &a->output, write_facts, a);
    }
    sipo_model_free(model);
    return code;
}

int eval_keyvalue(int argc, char** argv) {
    KeyValueArguments a = {
        .pairs_text = "50,100,200", .depths_text = "0,.25,.5,.75,1", .samples = 4};
    const Option options[] = {
        option_text("pairs", "LIST", &a.pairs_text, "keys with values in a prompt"),
        option_text("depths", "LIST", &a.depths_text,
                    "which is asked for: 0 the first, 1 the last"),
        option_integer("samples", &a.samples, 1, 100000, "prompts of each number and depth"),
        option_integer("seed", &a.seed, 0, INT64_MAX, "chooses keys and values"),
        eval_methods_option(&a.methods),
        option_flag("by-depth", &a.output.by_part, "a column for each depth"),
        option_flag("show", &a.output.show, "print each answer on standard error"),
        eval_svg_option(&a.output),
        eval_state_option(&a.output),
    };
    Command command = {
        .name = "eval keyvalue",
        .usage = "MODEL [options]",
        .about =
            "Lists keys with values, six digits each, and asks for the value of one. Prints\n"
            "the share of right answers with its 95 % interval (Wilson).",
        .example = "  sipo eval keyvalue mamba.sipo --pairs 100,500 --methods none,longmamba",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return run(&command, &a);
}
