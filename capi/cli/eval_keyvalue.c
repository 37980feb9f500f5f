/* sipo eval keyvalue: the value of one key among many (Liu et al., arXiv 2307.03172). */
#include <inttypes.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "commands.h"
#include "evaluation.h"
#include "random.h"
#include "report.h"
#include "shared_options.h"
#include "text_metrics.h"

enum { key_digits = 6, answer_tokens = 12 };

typedef struct {
    const char* pairs_text;
    const char* depths_text;
    int64_t samples;
    int64_t seed;
    RealList depths;
    Evaluation evaluation;
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
    const int code =
        tokens_from_text(task->command, a->evaluation.model, text, length, &made->prompt);
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
    json_string(json, "model", a->evaluation.path);
    json_integer(json, "samples", a->samples);
    json_integer(json, "seed", a->seed);
}

static int run(const Command* command, KeyValueArguments* a) {
    IntegerList pairs;
    int code = parse_integer_list(command->name, "pairs", a->pairs_text, 1, 1000000, &pairs);
    if (code == exit_ok) {
        code = parse_real_list(command->name, "depths", a->depths_text, 0, 1, &a->depths);
    }
    if (code == exit_ok) code = evaluation_open(command, &a->evaluation);
    if (code == exit_ok) {
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
        code = evaluation_run(command, &a->evaluation, &task, write_facts, a);
    }
    evaluation_close(&a->evaluation);
    return code;
}

int eval_keyvalue(int argc, char** argv) {
    KeyValueArguments a = {
        .pairs_text = "50,100,200", .depths_text = "0,.25,.5,.75,1", .samples = 4};
    const Option options[] = {
        option_text("pairs", "LIST", &a.pairs_text, "keys with values in a prompt"),
        depths_option(&a.depths_text, "which is asked for: 0 the first, 1 the last"),
        samples_option(&a.samples, "prompts of each number and depth"),
        seed_option(&a.seed, "chooses keys and values"),
    };
    Command command = {
        .name = "eval keyvalue",
        .usage = "MODEL [options]",
        .about =
            "Lists keys with values, six digits each, and asks for the value of one. Prints\n"
            "the share of right answers with its 95 % interval (Wilson).",
        .example = "  sipo eval keyvalue mamba.sipo --pairs 100,500 --methods none,longmamba",
        .positionals = {{"MODEL", 0, &a.evaluation.path}},
        .positional_count = 1,
        .groups = {{"Keys", options, COUNT_OF(options)},
                   evaluation_group(&a.evaluation, asks_answers_by_depth),
                   session_flags_group(&a.evaluation.session)},
        .group_count = 3,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return run(&command, &a);
}
