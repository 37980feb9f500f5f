/* The halves that sipo tune tunes on and tests on: no token and no case is in both. */
#include <string.h>

#include "allocate.h"
#include "clock.h"
#include "loading.h"
#include "random.h"
#include "report.h"
#include "tune.h"

enum { most_spans = 16, shortest_window = 2 * tune_scored };

/* Cuts the text into spans, shuffles them, and gives each half of them a part. `longest` tokens have
 * to fit into a part. */
static int split(const char* command, const Tokens* text, size_t longest, uint64_t seed,
                 Tokens* tuning, Tokens* test) {
    size_t spans = most_spans;
    while (spans > 2 && text->count / spans < longest) spans /= 2;
    const size_t span = text->count / spans;
    if (span * (spans / 2) < longest) {
        return report_failure(command,
                              "half of the text has %zu tokens; --lengths %zu needs more text",
                              span * (spans / 2), longest);
    }
    size_t order[most_spans];
    Random random = {seed};
    for (size_t i = 0; i < spans; ++i) order[i] = i;
    for (size_t i = spans - 1; i > 0; --i) {
        const size_t j = random_below(&random, i + 1);
        const size_t other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    Tokens* const parts[] = {tuning, test};
    for (size_t p = 0; p < 2; ++p) {
        parts[p]->ids = allocate(span * (spans / 2), sizeof *parts[p]->ids);
        if (parts[p]->ids == NULL) return report_no_memory(command, "the text");
        parts[p]->count = span * (spans / 2);
        for (size_t i = 0; i < spans / 2; ++i) {
            memcpy(parts[p]->ids + i * span, text->ids + order[p * spans / 2 + i] * span,
                   span * sizeof *parts[p]->ids);
        }
    }
    return exit_ok;
}

static int halve_text(Tuner* tuner) {
    const TuneArguments* a = tuner->arguments;
    const char* command = tuner->command->name;
    IntegerList lengths;
    Tokens text = {NULL, 0};
    int code = parse_integer_list(command, "lengths", a->passkey.lengths_text, shortest_window,
                                  1 << 28, &lengths);
    if (code == exit_ok) code = tokens_from_text_file(command, tuner->model, a->text, &text);
    size_t longest = 0;
    for (size_t i = 0; i < lengths.count && code == exit_ok; ++i) {
        if ((size_t)lengths.items[i] > longest) longest = (size_t)lengths.items[i];
    }
    if (code == exit_ok) {
        code = split(command, &text, longest, (uint64_t)a->passkey.seed, &tuner->tuning.text,
                     &tuner->test.text);
    }
    tokens_free(&text);
    return code;
}

static int copy_tokens(const char* command, const Tokens* from, Tokens* to) {
    to->ids = allocate(from->count, sizeof *to->ids);
    if (to->ids == NULL) return report_no_memory(command, "the text");
    memcpy(to->ids, from->ids, from->count * sizeof *to->ids);
    to->count = from->count;
    return exit_ok;
}

/* Of the passkeys of the other half: they are not those that were tuned on. */
static int64_t other_seed(int64_t seed) { return seed == INT64_MAX ? 0 : seed + 1; }

static int open_part(const Tuner* tuner, Part* part) {
    const TuneArguments* a = tuner->arguments;
    const char* command = tuner->command->name;
    int code = exit_ok;
    if (a->task.path != NULL) {
        code = longbench_task_open(command, tuner->model, &part->prompts, &part->task);
    } else {
        Tokens noise = {NULL, 0};
        part->passkeys = a->passkey;
        if (part == &tuner->test) part->passkeys.seed = other_seed(a->passkey.seed);
        code = copy_tokens(command, &part->text, &noise);
        if (code == exit_ok) {
            code = passkey_task_open(command, tuner->model, &noise, &part->passkeys, &part->task);
        }
        tokens_free(&noise);
    }
    if (code != exit_ok || a->text == NULL) return code;
    part->windows = (PerplexityTask){
        .lengths_text = a->passkey.lengths_text, .windows = a->windows, .scored = tune_scored};
    return perplexity_task_open(command, &part->text, &part->windows, &part->perplexity);
}

int tune_open_parts(Tuner* tuner) {
    const TuneArguments* a = tuner->arguments;
    const char* command = tuner->command->name;
    int code = a->text == NULL ? exit_ok : halve_text(tuner);
    if (code == exit_ok && a->task.path != NULL) {
        tuner->tuning.prompts = a->task;
        code = longbench_task_read(command, &tuner->tuning.prompts);
        if (code == exit_ok) {
            code = longbench_task_halve(command, &tuner->tuning.prompts, (uint64_t)a->passkey.seed,
                                        &tuner->test.prompts);
        }
    }
    if (code == exit_ok) code = open_part(tuner, &tuner->tuning);
    return code == exit_ok ? open_part(tuner, &tuner->test) : code;
}

void tune_free_part(Part* part) {
    passkey_task_free(&part->passkeys);
    longbench_task_free(&part->prompts);
    tokens_free(&part->text);
}

/* All prompts of a task behind each other. */
static int join_prompts(const EvalTask* task, Tokens* joined) {
    int code = exit_ok;
    for (size_t i = 0; i < task->cases && code == exit_ok; ++i) {
        EvalCase made;
        memset(&made, 0, sizeof made);
        code = task->make(task, i, &made);
        int32_t* grown =
            code == exit_ok
                ? reallocate(joined->ids, joined->count + made.prompt.count, sizeof *grown)
                : NULL;
        if (grown != NULL) {
            memcpy(grown + joined->count, made.prompt.ids, made.prompt.count * sizeof *grown);
            joined->ids = grown;
            joined->count += made.prompt.count;
        } else if (code == exit_ok) {
            code = report_no_memory(task->command, "the prompts");
        }
        tokens_free(&made.prompt);
    }
    return code;
}

/* Tokens of the tuned half to calibrate with. */
static int calibration_tokens(const Tuner* tuner, Tokens* tokens) {
    const TuneArguments* a = tuner->arguments;
    const char* command = tuner->command->name;
    if (a->calibrate_with != NULL) {
        return tokens_from_text_file(command, tuner->model, a->calibrate_with, tokens);
    }
    if (a->text != NULL) return copy_tokens(command, &tuner->tuning.text, tokens);
    return join_prompts(&tuner->tuning.task, tokens);
}

static int take_sample(Tuner* tuner) {
    const TuneArguments* a = tuner->arguments;
    const char* name = a->calibrate_with != NULL ? a->calibrate_with
                       : a->text != NULL         ? "half of the text"
                                                 : "half of the prompts";
    Sample* sample = &tuner->sample;
    sample->sequences = (size_t)a->sequences;
    sample->length = (size_t)model_integer(tuner->model, SIPO_MODEL_TRAINING_LENGTH);
    const int code = calibration_tokens(tuner, &sample->tokens);
    return code == exit_ok ? spread_sequences(tuner->command->name, name, sample) : code;
}

int tune_calibrate(Tuner* tuner, size_t clamp) {
    int code = exit_ok;
    if (tuner->calibrations[clamp] != NULL) return code;
    if (tuner->sample.tokens.ids == NULL) code = take_sample(tuner);
    const double start = clock_seconds();
    if (code == exit_ok) {
        code = calibrate_sample(tuner->command, tuner->model, &tuner->sample,
                                clamp == 0 ? 0 : tune_clamps[clamp - 1], tuner->arguments->threads,
                                &tuner->calibrations[clamp]);
    }
    tuner->calibration_seconds = clock_seconds() - start;
    return code;
}
