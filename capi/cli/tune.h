/* sipo tune in parts: what is tuned on and tested on, the search, and what is said about it. */
#ifndef SIPO_CLI_TUNE_H_
#define SIPO_CLI_TUNE_H_

#include <sipo/sipo.h>

#include "args.h"
#include "calibrating.h"
#include "eval_run.h"
#include "eval_state.h"
#include "longbench_task.h"
#include "passkey_task.h"
#include "perplexity_task.h"

enum { most_trials = 64, clamp_count = 3, tune_scored = 100 };

typedef struct {
    const char* model;
    const char* text; /* NULL: only the task counts */
    const char* calibrate_with;
    const char* profile;
    const char* state;
    double budget; /* minutes */
    int64_t windows;
    int64_t sequences;
    PasskeyTask passkey;
    LongbenchTask task; /* without a path: passkeys in the text */
    const char* backend;
    int64_t threads;
} TuneArguments;

/* One half of text and task. */
typedef struct {
    Tokens text;
    PasskeyTask passkeys;
    LongbenchTask prompts;
    PerplexityTask windows;
    EvalTask task;       /* passkeys or the user's */
    EvalTask perplexity; /* has no cases when there is no text */
} Part;

/* What one way of reading is worth on one half. */
typedef struct {
    int done;         /* all cases of it */
    int given_up;     /* the search has seen enough */
    EvalSummary task; /* of the cases that were put */
    double at_most;   /* what the task's value could still become */
    EvalSummary perplexity;
    double* nll;     /* [windows], by case; NULL without text */
    double cost;     /* perplexity as a share of plain's, less 1 … */
    double cost_low; /* … with its 95 % interval over the windows */
    double cost_high;
    double score;
    double seconds; /* that reading took */
} Outcome;

typedef struct {
    Variant variant;
    size_t clamp; /* index of the calibration */
    Outcome tuning;
    Outcome test;
} Trial;

/* The first trials; what the search adds comes behind them. */
enum { plain_trial, default_trial, published_trial, first_searched };

typedef struct {
    const Command* command;
    const TuneArguments* arguments;
    const sipo_model* model;
    Part tuning;
    Part test;
    Trial trials[most_trials];
    size_t count;
    size_t winner;
    Sample sample;                                   /* to calibrate with */
    sipo_calibration* calibrations[1 + clamp_count]; /* without a clamp, then by tune_clamps */
    double calibration_seconds;                      /* that the last one took */
    char* layer_lists[most_trials];                  /* by trial, where the search made one */
    EvalState state;
    double deadline;
    int cut_short; /* the budget was over before all was tried */
} Tuner;

extern const double tune_clamps[clamp_count];

/* Halves the text and the task; the exit code. tune_free_part() both in any case. */
int tune_open_parts(Tuner* tuner);
void tune_free_part(Part* part);
/* Makes a calibration unless it is there: 0 without a clamp, then by tune_clamps. The exit code. */
int tune_calibrate(Tuner* tuner, size_t clamp);

/* Tries what there is to try on one half; the exit code. */
int tune_search(Tuner* tuner);
/* Puts those that count to the other half; the exit code. */
int tune_test(Tuner* tuner);
/* Whether the winner is better than the default on the half that it was not chosen on. */
int tune_winner_holds(const Tuner* tuner);

/* Tables, or JSON, on standard output; the exit code. `saved`: whether there is a profile. */
int tune_report(const Tuner* tuner, int saved);

#endif /* SIPO_CLI_TUNE_H_ */
