/* The search of sipo tune: thresholds, layers and clamps of longmamba one after the other, each from the
 * best so far, then capacities and rates of decimamba. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "clock.h"
#include "loading.h"
#include "report.h"
#include "tune.h"

/* What `sipo` does when nothing is said, and what the LongMamba paper does. */
static const double default_threshold = 1e-2;
static const double published_threshold = 1e-30;

/* Those with fewer global channels first: they cost less. */
static const double thresholds_tried[] = {1e-1, 3e-1, 3e-2, 6e-1, 1e-2, 1e-3, 1e-5, 1e-10};
enum { high_thresholds = 4 };
const double tune_clamps[clamp_count] = {.05, .1, .2};

static Outcome* outcome_of(const Tuner* tuner, Trial* trial, const Part* part) {
    return part == &tuner->test ? &trial->test : &trial->tuning;
}

/* What perplexity costs, in nats a token; what it gains does not count. */
static double nats(const Outcome* outcome) { return fmax(log1p(outcome->cost), 0); }

/* ---- one trial ---- */

static int run_task(Tuner* tuner, const Variant* variant, const EvalTask* task,
                    int (*is_settled)(const EvalRun*, size_t, const void*), const void* user,
                    EvalRun* run) {
    *run = (EvalRun){.command = tuner->command,
                     .model = tuner->model,
                     .task = task,
                     .variants = variant,
                     .variant_count = 1,
                     .state = &tuner->state,
                     .shared_state = 1,
                     .deadline = tuner->deadline,
                     .is_settled = is_settled,
                     .user = user};
    return eval_run(run);
}

static double seconds_of(const EvalRun* run) {
    double seconds = 0;
    for (size_t i = 0; i < run->task->cases; ++i) seconds += eval_results(run, 0)[i].seconds;
    return seconds;
}

/* The cost over plain, window by window: all read the same ones. plain, nll [windows]. */
static int compare_with_plain(const Tuner* tuner, const double* plain, const double* nll,
                              size_t windows, Outcome* outcome) {
    double* more = allocate(windows, sizeof *more);
    if (more == NULL) return report_no_memory(tuner->command->name, "the windows");
    double sum = 0;
    for (size_t i = 0; i < windows; ++i) {
        more[i] = nll[i] - plain[i];
        sum += more[i];
    }
    bootstrap_interval(more, windows, &outcome->cost_low, &outcome->cost_high);
    outcome->cost = expm1(sum / (double)windows);
    outcome->cost_low = expm1(outcome->cost_low);
    outcome->cost_high = expm1(outcome->cost_high);
    free(more);
    return exit_ok;
}

static int take_windows(const Tuner* tuner, const EvalRun* run, const Outcome* plain,
                        Outcome* outcome) {
    const size_t windows = run->task->cases;
    double* nll = allocate(windows, sizeof *nll);
    if (nll == NULL) return report_no_memory(tuner->command->name, "the windows");
    for (size_t i = 0; i < windows; ++i) nll[i] = eval_results(run, 0)[i].value;
    outcome->nll = nll;
    return compare_with_plain(tuner, plain == outcome ? nll : plain->nll, nll, windows, outcome);
}

/* Perplexity of the windows; not `done` when the time ran out. */
static int measure_cost(Tuner* tuner, Trial* trial, const Part* part, int* done) {
    Outcome* outcome = outcome_of(tuner, trial, part);
    const Outcome* plain = outcome_of(tuner, &tuner->trials[plain_trial], part);
    const EvalTask* task = &part->perplexity;
    *done = 1;
    if (task->cases == 0 || outcome->nll != NULL) return exit_ok;
    Variant variant = trial->variant;
    variant.session.protected_tail = tune_scored + 1; /* scored tokens must not be dropped */
    EvalRun run;
    int code = run_task(tuner, &variant, task, NULL, NULL, &run);
    if (code == exit_ok) {
        outcome->perplexity = eval_summary(&run, 0, eval_all, eval_all);
        outcome->seconds += seconds_of(&run);
        *done = outcome->perplexity.cases == task->cases;
        if (*done) code = take_windows(tuner, &run, plain, outcome);
    }
    eval_free(&run);
    return code;
}

/* What a trial has to reach. */
typedef struct {
    double task;  /* at least */
    double score; /* more than */
    double nats;  /* that it costs */
} Bar;

static double best_possible(const EvalRun* run) {
    const EvalSummary so_far = eval_summary(run, 0, eval_all, eval_all);
    const double cases = (double)run->task->cases;
    return (so_far.sum + cases - (double)so_far.cases) / cases;
}

/* Whether a trial cannot reach the bar, whatever the cases that are left bring: each is worth 0 to 1. */
static int is_hopeless(const EvalRun* run, size_t variant, const void* user) {
    const Bar* bar = user;
    (void)variant;
    const double at_most = best_possible(run);
    return at_most < bar->task || at_most - bar->nats <= bar->score;
}

static int measure_task(Tuner* tuner, Trial* trial, const Part* part, const Bar* bar, int* done) {
    Outcome* outcome = outcome_of(tuner, trial, part);
    EvalRun run;
    const int code =
        run_task(tuner, &trial->variant, &part->task, bar == NULL ? NULL : is_hopeless, bar, &run);
    if (code == exit_ok) {
        outcome->task = eval_summary(&run, 0, eval_all, eval_all);
        outcome->at_most = best_possible(&run);
        outcome->seconds += seconds_of(&run);
        *done = outcome->task.cases == part->task.cases;
        outcome->given_up = !*done && bar != NULL && is_hopeless(&run, 0, bar);
    }
    eval_free(&run);
    return code;
}

/* Runs a trial on a part: first what it costs, which takes less, then what it is worth, unless it
 * cannot reach `bar` (NULL: all of it). */
static int try_on(Tuner* tuner, Trial* trial, const Part* part, Bar* bar) {
    Outcome* outcome = outcome_of(tuner, trial, part);
    int done = 0;
    if (outcome->done) return exit_ok;
    int code = measure_cost(tuner, trial, part, &done);
    if (code == exit_ok && done && bar != NULL) {
        bar->nats = nats(outcome);
        outcome->at_most = 1;
        outcome->given_up = 1 - bar->nats <= bar->score;
    }
    if (code == exit_ok && done && !outcome->given_up) {
        code = measure_task(tuner, trial, part, bar, &done);
    }
    if (code != exit_ok) return code;
    outcome->done = done && !outcome->given_up;
    outcome->score = outcome->task.value - nats(outcome);
    return exit_ok;
}

/* ---- the search ---- */

/* Whether one more trial and the test of the three that count can be done in time. */
static int is_time_left(const Tuner* tuner, const Trial* trial) {
    const double longest = tuner->trials[default_trial].tuning.seconds;
    const double trials = 1 + 3;
    const double calibration =
        tuner->calibrations[trial->clamp] == NULL ? tuner->calibration_seconds : 0;
    return clock_seconds() + 1.1 * (trials * longest + calibration) < tuner->deadline;
}

static Trial* new_trial(Tuner* tuner, const Trial* like) {
    Trial* trial = &tuner->trials[tuner->count];
    memset(trial, 0, sizeof *trial);
    trial->variant = like->variant;
    trial->clamp = like->clamp;
    return trial;
}

static const char* layers_of(const Trial* trial) {
    return trial->variant.session.layers == NULL ? "" : trial->variant.session.layers;
}

/* Names hold all that trials differ in, but they cut long lists of layers. */
static int is_tried(const Tuner* tuner, const Trial* trial) {
    for (size_t i = 0; i < tuner->count; ++i) {
        if (strcmp(tuner->trials[i].variant.name, trial->variant.name) == 0 &&
            strcmp(layers_of(&tuner->trials[i]), layers_of(trial)) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Puts a trial to the tuned half as far as it takes to know whether it is the best. */
static int measure(Tuner* tuner, Trial* trial) {
    Bar bar = {tuner->trials[default_trial].tuning.task.value,
               tuner->trials[tuner->winner].tuning.score, 0};
    const int code = try_on(tuner, trial, &tuner->tuning, &bar);
    if (code == exit_ok && trial->tuning.done && trial->tuning.task.value >= bar.task &&
        trial->tuning.score > bar.score) {
        tuner->winner = (size_t)(trial - tuner->trials);
    }
    return code;
}

/* Runs the trial that new_trial() gave, if it is new and there is time. */
static int run_trial(Tuner* tuner, Trial* trial) {
    if (tuner->count + 1 == most_trials || is_tried(tuner, trial)) return exit_ok;
    if (!is_time_left(tuner, trial)) {
        tuner->cut_short = 1;
        return exit_ok;
    }
    const int code = tune_calibrate(tuner, trial->clamp);
    if (code != exit_ok) return code;
    ++tuner->count;
    trial->variant.calibration = trial->variant.session.context == SIPO_CONTEXT_LONGMAMBA
                                     ? tuner->calibrations[trial->clamp]
                                     : NULL;
    return measure(tuner, trial);
}

static int run_longmamba(Tuner* tuner, Trial* trial) {
    const char* layers = layers_of(trial);
    snprintf(trial->variant.name, variant_name_size, "longmamba %g%s%.48s",
             trial->variant.session.global_threshold, *layers == '\0' ? "" : ", layers ", layers);
    if (trial->clamp > 0) {
        const size_t length = strlen(trial->variant.name);
        snprintf(trial->variant.name + length, variant_name_size - length, ", clamp %g",
                 tune_clamps[trial->clamp - 1]);
    }
    return run_trial(tuner, trial);
}

/* The best trial of LongMamba so far: others vary one thing of it. */
static const Trial* best_longmamba(const Tuner* tuner) {
    const Trial* winner = &tuner->trials[tuner->winner];
    return winner->variant.session.context == SIPO_CONTEXT_LONGMAMBA
               ? winner
               : &tuner->trials[default_trial];
}

static int try_thresholds(Tuner* tuner, size_t count) {
    const Trial* best = best_longmamba(tuner);
    int code = exit_ok;
    for (size_t i = 0; i < count && code == exit_ok; ++i) {
        Trial* trial = new_trial(tuner, best);
        trial->variant.session.global_threshold = thresholds_tried[i];
        code = run_longmamba(tuner, trial);
    }
    return code;
}

static int try_layers(Tuner* tuner, const Trial* like, const int32_t* layers, size_t count) {
    Trial* trial = new_trial(tuner, like);
    char** list = &tuner->layer_lists[trial - tuner->trials];
    free(*list);
    *list = NULL;
    const int code = layer_list(tuner->command->name, layers, count, list);
    trial->variant.session.layers = *list;
    return code == exit_ok ? run_longmamba(tuner, trial) : code;
}

/* The half, the quarter, … of the layers with the highest mean decay; `layers` has them all. */
static int try_fewer_layers(Tuner* tuner, const int32_t* layers, size_t n_layers) {
    const Trial* best = best_longmamba(tuner);
    int code = exit_ok;
    for (size_t count = n_layers / 2; count > 0 && code == exit_ok; count /= 2) {
        code = try_layers(tuner, best, layers, count);
    }
    return code;
}

/* The best scope without one of its layers, and on from there when that is better. */
static int try_without_layers(Tuner* tuner, size_t n_layers) {
    enum { most_layers = 8 };
    IntegerList scope = {.count = n_layers};
    const Trial* best = best_longmamba(tuner);
    int code = exit_ok;
    for (size_t i = 0; i < n_layers && i < list_capacity; ++i) scope.items[i] = (int64_t)i;
    if (*layers_of(best) != '\0') {
        code = parse_integer_list(tuner->command->name, "layers", layers_of(best), 0, INT32_MAX,
                                  &scope);
    }
    if (scope.count > most_layers) return code;
    for (size_t i = 0; i < scope.count && scope.count > 1 && code == exit_ok;) {
        int32_t fewer[most_layers];
        size_t count = 0;
        for (size_t j = 0; j < scope.count; ++j) {
            if (j != i) fewer[count++] = (int32_t)scope.items[j];
        }
        const size_t winner = tuner->winner;
        code = try_layers(tuner, best_longmamba(tuner), fewer, count);
        if (tuner->winner == winner) {
            ++i;
            continue;
        }
        --scope.count;
        for (size_t j = i; j < scope.count; ++j) scope.items[j] = scope.items[j + 1];
    }
    return code;
}

static int try_scopes(Tuner* tuner) {
    const char* command = tuner->command->name;
    const size_t n_layers = (size_t)model_integer(tuner->model, SIPO_MODEL_LAYERS);
    int32_t* layers = allocate(n_layers, sizeof *layers);
    if (layers == NULL) return report_no_memory(command, "the layers");
    int code = layers_by_decay(command, tuner->model, tuner->calibrations[0], layers);
    if (code == exit_ok) code = try_fewer_layers(tuner, layers, n_layers);
    if (code == exit_ok) code = try_without_layers(tuner, n_layers);
    free(layers);
    return code;
}

static int try_clamps(Tuner* tuner) {
    const Trial* best = best_longmamba(tuner);
    int code = exit_ok;
    for (size_t i = 1; i <= clamp_count && code == exit_ok; ++i) {
        Trial* trial = new_trial(tuner, best);
        trial->clamp = i;
        code = run_longmamba(tuner, trial);
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
    const int32_t middle = (int32_t)(model_integer(tuner->model, SIPO_MODEL_LAYERS) / 2);
    const int32_t pair[] = {middle, middle + 1};
    int code = exit_ok;
    for (size_t i = 0; i < COUNT_OF(settings) && code == exit_ok; ++i) {
        Trial* trial = new_trial(tuner, &tuner->trials[plain_trial]);
        SessionFlags* session = &trial->variant.session;
        char** list = &tuner->layer_lists[trial - tuner->trials];
        session->context = SIPO_CONTEXT_DECIMAMBA;
        session->decimation_capacity = settings[i].times * training;
        snprintf(trial->variant.name, variant_name_size, "decimamba %" PRId64,
                 session->decimation_capacity);
        if (settings[i].rate > 0) {
            free(*list);
            code = layer_list(tuner->command->name, pair, 2, list);
            session->layers = *list;
            session->decimation_rate = settings[i].rate;
            const size_t length = strlen(trial->variant.name);
            snprintf(trial->variant.name + length, variant_name_size - length,
                     ", layers %s, rate %g", layers_of(trial), settings[i].rate);
        }
        if (code == exit_ok) code = run_trial(tuner, trial);
    }
    return code;
}

static void name_references(Tuner* tuner) {
    Trial* plain = &tuner->trials[plain_trial];
    session_flags_group(&plain->variant.session); /* its defaults */
    plain->variant.session.threads = tuner->arguments->threads;
    snprintf(plain->variant.name, variant_name_size, "plain");
    for (size_t i = default_trial; i < first_searched; ++i) {
        Trial* trial = &tuner->trials[i];
        trial->variant = plain->variant;
        trial->variant.calibration = tuner->calibrations[0];
        trial->variant.session.context = SIPO_CONTEXT_LONGMAMBA;
        trial->variant.session.global_threshold =
            i == default_trial ? default_threshold : published_threshold;
        snprintf(trial->variant.name, variant_name_size, "longmamba %g",
                 trial->variant.session.global_threshold);
    }
    tuner->count = first_searched;
    tuner->winner = default_trial;
}

/* The default comes first: all is measured by it. Plain reading and the paper's threshold may win like
 * others. */
static int try_references(Tuner* tuner) {
    int done = 0;
    name_references(tuner);
    Trial* plain = &tuner->trials[plain_trial];
    int code = measure_cost(tuner, plain, &tuner->tuning, &done);
    if (code == exit_ok && done) {
        code = try_on(tuner, &tuner->trials[default_trial], &tuner->tuning, NULL);
    }
    if (code == exit_ok && !tuner->trials[default_trial].tuning.done) {
        return report_failure(tuner->command->name,
                              "the budget of %g minutes is over before the default was tried; give "
                              "more, or fewer --samples, --windows or --lengths",
                              tuner->arguments->budget);
    }
    const size_t others[] = {plain_trial, published_trial};
    for (size_t i = 0; i < COUNT_OF(others) && code == exit_ok; ++i) {
        Trial* trial = &tuner->trials[others[i]];
        if (is_time_left(tuner, trial)) {
            code = measure(tuner, trial);
        } else {
            tuner->cut_short = 1;
        }
    }
    return code;
}

int tune_search(Tuner* tuner) {
    int code = try_references(tuner);
    if (code == exit_ok) code = try_thresholds(tuner, high_thresholds);
    if (code == exit_ok) code = try_scopes(tuner);
    if (code == exit_ok) code = try_thresholds(tuner, COUNT_OF(thresholds_tried));
    if (code == exit_ok) code = try_clamps(tuner);
    return code == exit_ok ? try_decimamba(tuner) : code;
}

int tune_test(Tuner* tuner) {
    const size_t order[] = {default_trial, tuner->winner, published_trial};
    int code = try_on(tuner, &tuner->trials[plain_trial], &tuner->test, NULL);
    if (!tuner->trials[plain_trial].test.done) return code; /* nothing to compare with */
    for (size_t i = 0; i < COUNT_OF(order) && code == exit_ok; ++i) {
        code = try_on(tuner, &tuner->trials[order[i]], &tuner->test, NULL);
    }
    return code;
}

int tune_winner_holds(const Tuner* tuner) {
    const Outcome* usual = &tuner->trials[default_trial].test;
    const Outcome* winner = &tuner->trials[tuner->winner].test;
    return tuner->winner != default_trial && winner->done && usual->done &&
           winner->score > usual->score;
}
