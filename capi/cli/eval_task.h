/* What an evaluation asks: a list of cases, each a prompt with what is right. eval_run.h puts them to
 * sessions, eval_report.h tells what came of it. */
#ifndef SIPO_CLI_EVAL_TASK_H_
#define SIPO_CLI_EVAL_TASK_H_

#include <stddef.h>
#include <stdint.h>

#include "lists.h"
#include "text.h"

typedef enum {
    measure_share,      /* right (1) or wrong (0): the share that is right */
    measure_mean,       /* 0 to 1: the mean */
    measure_perplexity, /* mean negative log-likelihoods in nats: e to their mean */
} EvalMeasure;

typedef struct {
    size_t row;    /* of the table */
    size_t part;   /* of the row */
    Tokens prompt; /* for whoever asked to free */
    size_t scored; /* > 0: these last tokens are scored, and nothing is generated */
    size_t max_tokens;
    char right[64]; /* what is right, for tasks that can say it in a word */
} EvalCase;

typedef struct EvalTask EvalTask;
struct EvalTask {
    const char* command; /* "eval passkey", for messages */
    const char* name;    /* "passkey" */
    const char* result;  /* "accuracy" */
    EvalMeasure measure;
    const char* row_name; /* "tokens", above the first column */
    const char* row_key;  /* "length", in JSON */
    size_t rows;
    int64_t row_values[list_capacity]; /* unless row_labels are given */
    const char* const* row_labels;
    const char* part_key; /* "depth"; NULL when rows have no parts */
    size_t parts;         /* 1 or more */
    double part_values[list_capacity];
    size_t cases;
    uint64_t
        answers; /* hash of what an answer's worth depends on and a case does not show; 0: nothing */
    void* own;
    /* Case number `index`; the exit code. */
    int (*make)(const EvalTask* task, size_t index, EvalCase* made);
    /* Whether an answer is long enough. NULL: it goes on to max_tokens. */
    int (*stop)(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer);
    /* What an answer is worth. */
    double (*score)(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer);
};

#endif /* SIPO_CLI_EVAL_TASK_H_ */
