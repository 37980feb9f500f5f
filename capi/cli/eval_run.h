/* Puts the cases of a task to the variants that are compared, with progress, and goes on where an
 * interrupted run stopped. */
#ifndef SIPO_CLI_EVAL_RUN_H_
#define SIPO_CLI_EVAL_RUN_H_

#include <sipo/sipo.h>

#include "args.h"
#include "eval_task.h"
#include "progress.h"
#include "session_flags.h"

enum { variant_name_size = 96, eval_most_variants = 64, answer_size = 1 << 16 };

/* A way to read prompts: a context method with its options. */
typedef struct {
    char name[variant_name_size];
    SessionFlags session;                /* its values; session.context is the method */
    const sipo_calibration* calibration; /* NULL: the profile's */
} Variant;

typedef struct {
    int done;
    double value;
    double tokens;  /* of the prompt */
    double seconds; /* that it took to read */
} CaseResult;

typedef struct {
    size_t row;
    size_t part;
} CasePlace;

typedef struct EvalState EvalState;

typedef struct EvalRun EvalRun;
struct EvalRun {
    const Command* command;
    const sipo_model* model;
    const EvalTask* task;
    const Variant* variants;
    size_t variant_count;
    EvalState* state; /* what results are kept in; NULL: nowhere */
    int shared_state; /* whether other runs may have results there */
    int show;         /* answers on standard error */
    double deadline;  /* on clock_seconds(); 0: none. Cases beyond it are left undone */
    /* Whether a variant's cases that are left may stay undone. NULL: never. */
    int (*is_settled)(const EvalRun* run, size_t variant, const void* user);
    const void* user;
    uint64_t* keys;      /* [variants] what results are known by in the state */
    CaseResult* results; /* [variants, cases] */
    CasePlace* places;   /* [cases] */
    Progress progress;
};

/* The variants of --methods: each method with the options of `session`; the exit code. */
int variants_of_methods(const char* command, const char* methods, const SessionFlags* session,
                        Variant* variants, size_t* count);

/* Runs what is not done yet; the exit code. eval_free() in any case. */
int eval_run(EvalRun* run);
void eval_free(EvalRun* run);

/* One variant's results; [cases]. */
CaseResult* eval_results(const EvalRun* run, size_t variant);

/* What stands for all rows or parts. */
static const size_t eval_all = SIZE_MAX;

/* Results of a row and part in numbers. */
typedef struct {
    size_t cases; /* done */
    double value; /* as the task's measure tells */
    double low;   /* the 95 % interval: Wilson's for shares, else bootstrapped with a fixed seed */
    double high;
    double sum; /* of the cases' values */
    double tokens_per_second;
} EvalSummary;

EvalSummary eval_summary(const EvalRun* run, size_t variant, size_t row, size_t part);

/* The middle 95 % of the means of samples drawn from the values with replacement, with a fixed seed. */
void bootstrap_interval(const double* values, size_t count, double* low, double* high);

/* Of `right` among `total`. */
void wilson_interval(double right, double total, double* low, double* high);

#endif /* SIPO_CLI_EVAL_RUN_H_ */
