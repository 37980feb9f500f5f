/* What the evaluations of `sipo eval` have in common: a model, the methods that are compared, and what
 * becomes of the results. */
#ifndef SIPO_CLI_EVALUATION_H_
#define SIPO_CLI_EVALUATION_H_

#include "eval_report.h"

enum { evaluation_option_count = 5 };

typedef struct {
    const char* path; /* of the model */
    const char* methods;
    EvalOutput output;
    SessionFlags session;
    Option options[evaluation_option_count];
    Variant variants[method_count];
    size_t variant_count;
    sipo_model* model;
} Evaluation;

/* What an evaluation has besides results by row: answers to show, results by depth too. */
typedef enum { asks_nothing, asks_answers, asks_answers_by_depth } EvaluationKind;

/* The options of all but the session; `evaluation` has to stay where it is. */
OptionGroup evaluation_group(Evaluation* evaluation, EvaluationKind kind);

/* Reads --methods and opens the model; the exit code. evaluation_close() in any case. */
int evaluation_open(const Command* command, Evaluation* evaluation);
void evaluation_close(Evaluation* evaluation);

/* Runs a task and tells what came of it; the exit code. */
int evaluation_run(const Command* command, const Evaluation* evaluation, const EvalTask* task,
                   WriteFacts facts, const void* user);

#endif /* SIPO_CLI_EVALUATION_H_ */
