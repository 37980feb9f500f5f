/* sipo tune: searches the options of the context methods on one part of a text and reports on another. */
#include <inttypes.h>
#include <math.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "calibrating.h"
#include "clock.h"
#include "commands.h"
#include "eval_report.h"
#include "interrupt.h"
#include "loading.h"
#include "passkey_task.h"
#include "perplexity_task.h"
#include "random.h"
#include "report.h"
#include "session_flags.h"
#include "table.h"

enum { most_trials = 48, most_spans = 16, clamp_count = 3, layer_cuts = 2 };

/* What `sipo` does when nothing is said. */
static const double default_threshold = 1e-2;

static const double clamps_tried[clamp_count] = {.05, .1, .2};
static const double thresholds_tried[] = {1e-1, 1e-3, 1e-5, 1e-10};

typedef struct {
    const char* model;
    const char* text;
    const char* calibrate_with;
    const char* profile;
    double budget; /* minutes */
    int64_t windows;
    int64_t sequences;
    PasskeyTask passkey;
    const char* backend;
    int64_t threads;
} TuneArguments;

/* One half of the text with its tasks. */
typedef struct {
    PasskeyTask passkeys;
    PerplexityTask windows;
    EvalTask passkey;
    EvalTask perplexity;
} Part;

typedef struct {
    int done;
    EvalSummary accuracy;
    EvalSummary perplexity;
    double score;
} Outcome;

typedef struct {
    Variant variant;
    size_t clamp; /* index of the calibration */
    Outcome tuning;
    Outcome test;
} Trial;

typedef struct {
    const Command* command;
    const TuneArguments* arguments;
    const sipo_model* model;
    Part tuning;
    Part test;
    Trial trials[most_trials]; /* the first is plain, the second the default */
    size_t count;
    size_t winner;
    sipo_calibration* calibrations[1 + clamp_count]; /* without a clamp, then by clamps_tried */
    char* layer_lists[layer_cuts];
    char middle_layers[32];
    double deadline;
    double longest; /* trial, in seconds */
} Tuner;

enum { plain_trial, default_trial };

/* ---- the halves ---- */

/* Cuts the text into spans, shuffles them, and gives each half of them a part, so that no token is in
 * both. `longest` tokens have to fit into a part. */
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
        parts[p]->count = span * (spans / 2);
        parts[p]->ids = allocate(parts[p]->count, sizeof *parts[p]->ids);
        if (parts[p]->ids == NULL) return report_no_memory(command, "the text");
        for (size_t i = 0; i < spans / 2; ++i) {
            memcpy(parts[p]->ids + i * span, text->ids + order[p * spans / 2 + i] * span,
                   span * sizeof *parts[p]->ids);
        }
    }
    return exit_ok;
}

static int open_part(const Tuner* tuner, Tokens* tokens, Part* part) {
    const TuneArguments* a = tuner->arguments;
    const char* command = tuner->command->name;
    part->passkeys = a->passkey;
    part->windows = (PerplexityTask){
        .lengths_text = a->passkey.lengths_text, .windows = a->windows, .scored = 100};
    int code = passkey_task_open(command, tuner->model, tokens, &part->passkeys, &part->passkey);
    if (code == exit_ok) {
        code = perplexity_task_open(command, &part->passkeys.source.noise, &part->windows,
                                    &part->perplexity);
    }
    return code;
}

static int open_parts(Tuner* tuner) {
    const TuneArguments* a = tuner->arguments;
    const char* command = tuner->command->name;
    IntegerList lengths;
    Tokens text = {NULL, 0};
    Tokens tuning = {NULL, 0};
    Tokens test = {NULL, 0};
    int code =
        parse_integer_list(command, "lengths", a->passkey.lengths_text, 200, 1 << 28, &lengths);
    if (code == exit_ok) code = tokens_from_text_file(command, tuner->model, a->text, &text);
    size_t longest = 0;
    for (size_t i = 0; i < lengths.count && code == exit_ok; ++i) {
        if ((size_t)lengths.items[i] > longest) longest = (size_t)lengths.items[i];
    }
    if (code == exit_ok) {
        code = split(command, &text, longest, (uint64_t)a->passkey.seed, &tuning, &test);
    }
    if (code == exit_ok) code = open_part(tuner, &tuning, &tuner->tuning);
    if (code == exit_ok) code = open_part(tuner, &test, &tuner->test);
    tokens_free(&text);
    tokens_free(&tuning);
    tokens_free(&test);
    return code;
}

/* Calibrates on other text, or on the half that is tuned on. */
static int calibrate(Tuner* tuner) {
    const TuneArguments* a = tuner->arguments;
    const char* command = tuner->command->name;
    Sample sample = {{NULL, 0}, (size_t)a->sequences, 0};
    sample.length = (size_t)model_integer(tuner->model, SIPO_MODEL_TRAINING_LENGTH);
    int code = exit_ok;
    if (a->calibrate_with != NULL) {
        code = tokens_from_text_file(command, tuner->model, a->calibrate_with, &sample.tokens);
    } else {
        const Tokens* half = &tuner->tuning.passkeys.source.noise;
        sample.tokens.ids = allocate(half->count, sizeof *half->ids);
        if (sample.tokens.ids == NULL) return report_no_memory(command, "the text");
        memcpy(sample.tokens.ids, half->ids, half->count * sizeof *half->ids);
        sample.tokens.count = half->count;
    }
    const char* name = a->calibrate_with != NULL ? a->calibrate_with : "half of the text";
    if (code == exit_ok) code = spread_sequences(command, name, &sample);
    for (size_t i = 0; i <= clamp_count && code == exit_ok; ++i) {
        code =
            calibrate_sample(tuner->command, tuner->model, &sample,
                             i == 0 ? 0 : clamps_tried[i - 1], a->threads, &tuner->calibrations[i]);
    }
    tokens_free(&sample.tokens);
    return code;
}

/* ---- trials ---- */

static int run_task(Tuner* tuner, const Trial* trial, const EvalTask* task, EvalSummary* summary) {
    EvalRun run = {.command = tuner->command,
                   .model = tuner->model,
                   .task = task,
                   .variants = &trial->variant,
                   .variant_count = 1,
                   .deadline = tuner->deadline};
    const int code = eval_run(&run);
    if (code == exit_ok) *summary = eval_summary(&run, 0, eval_all, eval_all);
    eval_free(&run);
    return code;
}

/* Accuracy less what the method costs of the likelihood of ordinary text, in nats a token. */
static double score_of(const Outcome* outcome, const Outcome* plain) {
    const double cost = log(outcome->perplexity.value) - log(plain->perplexity.value);
    return outcome->accuracy.value - fmax(cost, 0);
}

/* Runs a trial on a part; it is not done when the time ran out on the way. */
static int try_on(Tuner* tuner, Trial* trial, Part* part, int is_test) {
    Outcome* outcome = is_test ? &trial->test : &trial->tuning;
    const Trial* plain = &tuner->trials[plain_trial];
    const double start = clock_seconds();
    int code = run_task(tuner, trial, &part->passkey, &outcome->accuracy);
    if (code == exit_ok) code = run_task(tuner, trial, &part->perplexity, &outcome->perplexity);
    if (code != exit_ok) return code;
    outcome->done = outcome->accuracy.cases == part->passkey.cases &&
                    outcome->perplexity.cases == part->perplexity.cases;
    tuner->longest = fmax(tuner->longest, clock_seconds() - start);
    outcome->score = score_of(outcome, is_test ? &plain->test : &plain->tuning);
    return exit_ok;
}

/* Whether one more trial and the test of the three that count can be done in time. */
static int time_is_left(const Tuner* tuner) {
    const double trials = 1 + 3;
    return clock_seconds() + 1.1 * trials * tuner->longest < tuner->deadline;
}

static Trial* new_trial(Tuner* tuner, const Trial* like) {
    Trial* trial = &tuner->trials[tuner->count];
    *trial = *like;
    memset(&trial->tuning, 0, sizeof trial->tuning);
    memset(&trial->test, 0, sizeof trial->test);
    return trial;
}

/* Runs the trial that new_trial() gave, if there is time, and takes it if it is the best. */
static int run_trial(Tuner* tuner, Trial* trial) {
    if (tuner->count == most_trials || !time_is_left(tuner)) return exit_ok;
    ++tuner->count;
    trial->variant.calibration = trial->variant.session.context == SIPO_CONTEXT_LONGMAMBA
                                     ? tuner->calibrations[trial->clamp]
                                     : NULL;
    const int code = try_on(tuner, trial, &tuner->tuning, 0);
    if (code == exit_ok && trial->tuning.done &&
        trial->tuning.score > tuner->trials[tuner->winner].tuning.score) {
        tuner->winner = (size_t)(trial - tuner->trials);
    }
    return code;
}

static const char* layers_of(const Trial* trial) {
    return trial->variant.session.layers == NULL ? "all" : trial->variant.session.layers;
}

static void name_longmamba(Trial* trial) {
    snprintf(trial->variant.name, variant_name_size, "longmamba %g, clamp %g, layers %.24s",
             trial->variant.session.global_threshold,
             trial->clamp == 0 ? 0 : clamps_tried[trial->clamp - 1], layers_of(trial));
}

/* The best trial of LongMamba so far: others vary one thing of it. */
static const Trial* best_longmamba(const Tuner* tuner) {
    const Trial* best = &tuner->trials[default_trial];
    for (size_t i = default_trial; i < tuner->count; ++i) {
        const Trial* trial = &tuner->trials[i];
        if (trial->variant.session.context == SIPO_CONTEXT_LONGMAMBA && trial->tuning.done &&
            trial->tuning.score > best->tuning.score) {
            best = trial;
        }
    }
    return best;
}

static int try_thresholds(Tuner* tuner) {
    int code = exit_ok;
    for (size_t i = 0; i < COUNT_OF(thresholds_tried) && code == exit_ok; ++i) {
        Trial* trial = new_trial(tuner, &tuner->trials[default_trial]);
        trial->variant.session.global_threshold = thresholds_tried[i];
        name_longmamba(trial);
        code = run_trial(tuner, trial);
    }
    return code;
}

/* The half and the quarter of the layers with the highest mean decay. */
static int try_layers(Tuner* tuner) {
    const char* command = tuner->command->name;
    const size_t n_layers = (size_t)model_integer(tuner->model, SIPO_MODEL_LAYERS);
    int32_t* layers = allocate(n_layers, sizeof *layers);
    if (layers == NULL) return report_no_memory(command, "the layers");
    int code = layers_by_decay(command, tuner->model, tuner->calibrations[0], layers);
    const Trial* best = best_longmamba(tuner);
    for (size_t i = 0; i < layer_cuts && code == exit_ok; ++i) {
        const size_t count = n_layers >> (i + 1);
        if (count == 0) break;
        code = layer_list(command, layers, count, &tuner->layer_lists[i]);
        if (code != exit_ok) break;
        Trial* trial = new_trial(tuner, best);
        trial->variant.session.layers = tuner->layer_lists[i];
        name_longmamba(trial);
        code = run_trial(tuner, trial);
    }
    free(layers);
    return code;
}

static int try_clamps(Tuner* tuner) {
    const Trial* best = best_longmamba(tuner);
    int code = exit_ok;
    for (size_t i = 1; i <= clamp_count && code == exit_ok; ++i) {
        Trial* trial = new_trial(tuner, best);
        trial->clamp = i;
        name_longmamba(trial);
        code = run_trial(tuner, trial);
    }
    return code;
}

/* Capacities in the middle layer; rates where a second layer follows. */
static int try_decimamba(Tuner* tuner) {
    static const struct {
        int64_t times; /* the training length */
        double rate;   /* 0: one layer */
    } settings[] = {{1, 0}, {2, 0}, {4, 0}, {4, .5}, {4, .8}};
    const int64_t training = model_integer(tuner->model, SIPO_MODEL_TRAINING_LENGTH);
    const int middle = (int)(model_integer(tuner->model, SIPO_MODEL_LAYERS) / 2);
    snprintf(tuner->middle_layers, sizeof tuner->middle_layers, "%d,%d", middle, middle + 1);
    int code = exit_ok;
    for (size_t i = 0; i < COUNT_OF(settings) && code == exit_ok; ++i) {
        const int64_t capacity = settings[i].times * training;
        Trial* trial = new_trial(tuner, &tuner->trials[plain_trial]);
        SessionFlags* session = &trial->variant.session;
        session->context = SIPO_CONTEXT_DECIMAMBA;
        session->decimation_capacity = capacity;
        if (settings[i].rate > 0) {
            session->decimation_rate = settings[i].rate;
            session->layers = tuner->middle_layers;
        }
        snprintf(trial->variant.name, variant_name_size,
                 "decimamba %" PRId64 ", rate %g, layers %s", capacity,
                 settings[i].rate > 0 ? settings[i].rate : .5,
                 session->layers == NULL ? "middle" : session->layers);
        code = run_trial(tuner, trial);
    }
    return code;
}

/* Plain and the default come first: all is measured by them. */
static int try_references(Tuner* tuner) {
    Trial* plain = &tuner->trials[plain_trial];
    Trial* usual = &tuner->trials[default_trial];
    session_flags_group(&plain->variant.session);
    plain->variant.session.threads = tuner->arguments->threads;
    plain->variant.session.protected_tail = tuner->tuning.windows.scored + 1;
    snprintf(plain->variant.name, variant_name_size, "plain");
    *usual = *plain;
    usual->variant.session.context = SIPO_CONTEXT_LONGMAMBA;
    usual->variant.session.global_threshold = default_threshold;
    usual->variant.calibration = tuner->calibrations[0];
    snprintf(usual->variant.name, variant_name_size, "default (longmamba %g)", default_threshold);
    tuner->count = 2;
    tuner->winner = default_trial;
    int code = try_on(tuner, plain, &tuner->tuning, 0);
    if (code == exit_ok) code = try_on(tuner, usual, &tuner->tuning, 0);
    if (code == exit_ok && (!plain->tuning.done || !usual->tuning.done)) {
        return report_failure(tuner->command->name,
                              "the budget of %g minutes is over before the default was tried; give "
                              "more, or fewer --samples, --windows or --lengths",
                              tuner->arguments->budget);
    }
    return code;
}

static int search(Tuner* tuner) {
    int code = try_references(tuner);
    if (code == exit_ok) code = try_thresholds(tuner);
    if (code == exit_ok) code = try_layers(tuner);
    if (code == exit_ok) code = try_clamps(tuner);
    if (code == exit_ok) code = try_decimamba(tuner);
    return code;
}

/* On the half that nothing was chosen on. */
static int test(Tuner* tuner) {
    int code = try_on(tuner, &tuner->trials[plain_trial], &tuner->test, 1);
    if (code == exit_ok) code = try_on(tuner, &tuner->trials[default_trial], &tuner->test, 1);
    if (code == exit_ok && tuner->winner != default_trial) {
        code = try_on(tuner, &tuner->trials[tuner->winner], &tuner->test, 1);
    }
    return code;
}

/* Whether the winner is better than the default on text that it was not chosen on. */
static int winner_holds(const Tuner* tuner) {
    const Outcome* usual = &tuner->trials[default_trial].test;
    const Outcome* winner = &tuner->trials[tuner->winner].test;
    return tuner->winner != default_trial && winner->done && usual->done &&
           winner->score > usual->score;
}

/* ---- results ---- */

static void add_outcome(Table* table, const Outcome* outcome) {
    if (!outcome->done) {
        for (int i = 0; i < 4; ++i) table_cell(table, "-");
        return;
    }
    table_cell(table, "%.2f", outcome->accuracy.value);
    table_cell(table, "%.2f-%.2f", outcome->accuracy.low, outcome->accuracy.high);
    table_cell(table, "%.2f", outcome->perplexity.value);
    table_cell(table, "%.3f", outcome->score);
}

static void add_head(Table* table, const char* name) {
    table_cell(table, "%s", name);
    table_cell(table, "accuracy");
    table_cell(table, "95 %%");
    table_cell(table, "perplexity");
    table_cell(table, "score");
}

static int print_tables(const Tuner* tuner, int saved) {
    const TuneArguments* a = tuner->arguments;
    const Trial* winner = &tuner->trials[tuner->winner];
    Table tuning = {.columns = 5};
    add_head(&tuning, "tuned on");
    for (size_t i = 0; i < tuner->count; ++i) {
        table_cell(&tuning, "%s", tuner->trials[i].variant.name);
        add_outcome(&tuning, &tuner->trials[i].tuning);
    }
    int code = table_finish(&tuning, tuner->command->name, stdout);
    putchar('\n');
    Table tested = {.columns = 5};
    add_head(&tested, "tested on other text");
    for (size_t i = 0; i <= default_trial; ++i) {
        table_cell(&tested, "%s", tuner->trials[i].variant.name);
        add_outcome(&tested, &tuner->trials[i].test);
    }
    if (tuner->winner != default_trial) {
        table_cell(&tested, "%s", winner->variant.name);
        add_outcome(&tested, &winner->test);
    }
    if (code == exit_ok) code = table_finish(&tested, tuner->command->name, stdout);
    if (saved) {
        printf("\nSaved as profile %s: sipo generate MODEL --context profile --profile %s ...\n",
               a->profile, a->profile);
    } else if (tuner->winner == default_trial) {
        printf("\nNothing that was tried beats the default; no profile was written.\n");
    } else {
        printf(
            "\nThe best on the tuned half does not beat the default on the other; no profile was "
            "written.\n");
    }
    return code;
}

static void write_outcome(Json* json, const char* key, const Outcome* outcome) {
    json_begin_object(json, key);
    if (outcome->done) {
        json_real(json, "accuracy", outcome->accuracy.value);
        json_real(json, "accuracy_low", outcome->accuracy.low);
        json_real(json, "accuracy_high", outcome->accuracy.high);
        json_real(json, "perplexity", outcome->perplexity.value);
        json_real(json, "score", outcome->score);
    }
    json_end_object(json);
}

static void print_json(const Tuner* tuner, int saved) {
    const TuneArguments* a = tuner->arguments;
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_string(&json, "model", a->model);
    json_string(&json, "profile", saved ? a->profile : "");
    json_string(&json, "winner", tuner->trials[saved ? tuner->winner : default_trial].variant.name);
    json_begin_array(&json, "trials");
    for (size_t i = 0; i < tuner->count; ++i) {
        const Trial* trial = &tuner->trials[i];
        json_begin_object(&json, NULL);
        json_string(&json, "name", trial->variant.name);
        write_outcome(&json, "tuning", &trial->tuning);
        write_outcome(&json, "test", &trial->test);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}

static int save_winner(const Tuner* tuner) {
    const char* command = tuner->command->name;
    const Trial* winner = &tuner->trials[tuner->winner];
    sipo_calibration* calibration = tuner->calibrations[winner->clamp];
    sipo_session_options* options = NULL;
    if (interrupted()) return report_cancelled(command);
    int code = session_options_open(tuner->command, &winner->variant.session,
                                    winner->variant.session.context, tuner->model, NULL, &options);
    if (code == exit_ok) {
        code = report_status(command, sipo_calibration_set_settings(calibration, options));
    }
    if (code == exit_ok) {
        code = report_status(command, sipo_calibration_save(calibration, tuner->arguments->model,
                                                            tuner->arguments->profile));
    }
    sipo_session_options_free(options);
    return code;
}

static void free_tuner(Tuner* tuner) {
    passkey_task_free(&tuner->tuning.passkeys);
    passkey_task_free(&tuner->test.passkeys);
    for (size_t i = 0; i <= clamp_count; ++i) sipo_calibration_free(tuner->calibrations[i]);
    for (size_t i = 0; i < layer_cuts; ++i) free(tuner->layer_lists[i]);
    free(tuner);
}

static int run(const Command* command, const TuneArguments* a) {
    Tuner* tuner = allocate_zeroed(1, sizeof *tuner);
    if (tuner == NULL) return report_no_memory(command->name, "the trials");
    sipo_model* model = NULL;
    tuner->command = command;
    tuner->arguments = a;
    tuner->deadline = clock_seconds() + 60 * a->budget;
    int code = load_model(command, a->model, a->backend, a->threads, &model);
    tuner->model = model;
    if (code == exit_ok) code = open_parts(tuner);
    if (code == exit_ok) code = calibrate(tuner);
    if (code == exit_ok) code = search(tuner);
    if (code == exit_ok) code = test(tuner);
    const int holds = code == exit_ok && winner_holds(tuner);
    if (holds) code = save_winner(tuner);
    if (code == exit_ok && command->json) print_json(tuner, holds);
    if (code == exit_ok && !command->json) code = print_tables(tuner, holds);
    free_tuner(tuner);
    sipo_model_free(model);
    return code;
}

int cmd_tune(int argc, char** argv) {
    TuneArguments a = {.profile = "tuned",
                       .budget = 10,
                       .windows = 8,
                       .sequences = default_sequences,
                       .threads = NOT_GIVEN};
    const Option options[] = {
        option_text("text", "FILE", &a.text,
                    "text as the model will meet it; one half is tuned on, the other tested on"),
        option_text("calibrate-with", "TEXT", &a.calibrate_with,
                    "file of other text to calibrate with (default: the tuned half)"),
        option_real("budget", &a.budget, .01, 1e5, "minutes that all of it may take"),
        option_text("profile", "NAME", &a.profile, "what the winner is called"),
        option_integer("windows", &a.windows, 1, 10000, "windows of each length for perplexity"),
        option_integer("sequences", &a.sequences, 1, 65536, "of the calibration"),
        backend_option(&a.backend),
        option_integer("threads", &a.threads, 0, 256,
                       "threads of the computation (default 0: all processors)"),
    };
    Command command = {
        .name = "tune",
        .usage = "MODEL --text FILE [options]",
        .about =
            "Searches thresholds, layers and clamps of longmamba, capacities and rates of\n"
            "decimamba. The text is cut into spans: passkeys and perplexity are measured on\n"
            "half of them, the winner is then tested on the other half, which nothing was\n"
            "chosen on. The score is the accuracy less what the method costs of the likelihood\n"
            "of ordinary text, in nats a token. If the winner beats the default there too, it\n"
            "is saved as a profile with its options, else nothing is. On Ctrl-C nothing is.",
        .example =
            "  sipo tune mamba.sipo --text books.txt --lengths 16384,32768 --budget 30\n"
            "  sipo generate mamba.sipo --prompt-file book.txt --context profile --profile tuned",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)},
                   passkey_group(&a.passkey, "8192,16384", 2)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.text == NULL) return report_usage(command.name, "--text FILE is missing");
    return run(&command, &a);
}
