/* What came of an evaluation, as a table, JSON or a picture. */
#ifndef SIPO_CLI_EVAL_REPORT_H_
#define SIPO_CLI_EVAL_REPORT_H_

#include "eval_run.h"
#include "json.h"

/* What the commands that run a task have in common. */
typedef struct {
    const char* svg;
    const char* state;
    int by_part;
    int show;
} EvalOutput;

/* The options behind it. */
Option eval_svg_option(EvalOutput* output);
Option eval_state_option(EvalOutput* output);

/* Members at the head of the JSON object; may be NULL. */
typedef void (*WriteFacts)(Json* json, const void* user);

/* Runs a task and tells what came of it; the exit code. */
int eval_run_and_report(const Command* command, const sipo_model* model, const EvalTask* task,
                        const Variant* variants, size_t variant_count, const EvalOutput* output,
                        WriteFacts facts, const void* user);

/* The parts of that, for those who add to them. */
int eval_print_table(const EvalRun* run, int by_part, FILE* out);
void eval_write_results(Json* json, const EvalRun* run);
int eval_write_svg(const EvalRun* run, const char* path);

/* How many variants still get a column each; more get a row each. */
enum { eval_most_columns = method_count };

/* "2048", or the label that a task gives its row. */
void eval_row_label(const EvalTask* task, size_t row, char* text, size_t size);

#endif /* SIPO_CLI_EVAL_REPORT_H_ */
