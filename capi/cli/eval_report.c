/* What came of an evaluation. */
#include "eval_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval_state.h"
#include "files.h"
#include "table.h"

Option eval_svg_option(EvalOutput* output) {
    return option_text("svg", "FILE", &output->svg, "also draw the results");
}

Option eval_state_option(EvalOutput* output) {
    return option_text("state", "FILE", &output->state,
                       "keep each result here, and go on from it when it is there");
}

static int digits_of(const EvalTask* task, double value) {
    return task->measure == measure_mean ? 3 : value >= 1000 ? 0 : 2;
}

static void add_summary(Table* table, const EvalRun* run, size_t variant, size_t row,
                        size_t parts) {
    const EvalSummary all = eval_summary(run, variant, row, eval_all);
    const int digits = digits_of(run->task, all.value);
    if (all.cases == 0) {
        for (size_t i = 0; i < 3 + parts; ++i) table_cell(table, "-");
        return;
    }
    table_cell(table, "%.*f", digits, all.value);
    table_cell(table, "%.*f-%.*f", digits, all.low, digits, all.high);
    for (size_t part = 0; part < parts; ++part) {
        const EvalSummary one = eval_summary(run, variant, row, part);
        table_cell(table, "%.*f", digits, one.value);
    }
    table_cell(table, "%.0f", all.tokens_per_second);
}

/* A row for each of the task's; or, with many variants and one row, a row a variant. */
static int print_by_variant(const EvalRun* run, FILE* out) {
    const EvalTask* task = run->task;
    Table table = {.columns = 1 + 3 * task->rows};
    table_cell(&table, "%s", task->result);
    for (size_t row = 0; row < task->rows; ++row) {
        char label[64];
        eval_row_label(task, row, label, sizeof label);
        table_cell(&table, "%s", label);
        table_cell(&table, "95 %%");
        table_cell(&table, "tok/s");
    }
    for (size_t v = 0; v < run->variant_count; ++v) {
        table_cell(&table, "%s", run->variants[v].name);
        for (size_t row = 0; row < task->rows; ++row) add_summary(&table, run, v, row, 0);
    }
    return table_finish(&table, task->command, out);
}

int eval_print_table(const EvalRun* run, int by_part, FILE* out) {
    const EvalTask* task = run->task;
    const size_t parts = by_part ? task->parts : 0;
    if (run->variant_count > eval_most_columns) return print_by_variant(run, out);
    Table table = {.columns = 2 + run->variant_count * (3 + parts)};
    table_cell(&table, "%s", task->row_name);
    for (size_t v = 0; v < run->variant_count; ++v) {
        table_cell(&table, "%s", run->variants[v].name);
        table_cell(&table, "95 %%");
        for (size_t part = 0; part < parts; ++part) {
            table_cell(&table, "@%g", task->part_values[part]);
        }
        table_cell(&table, "tok/s");
    }
    table_cell(&table, "cases");
    for (size_t row = 0; row < task->rows; ++row) {
        char label[64];
        eval_row_label(task, row, label, sizeof label);
        table_cell(&table, "%s", label);
        for (size_t v = 0; v < run->variant_count; ++v) add_summary(&table, run, v, row, parts);
        table_cell(&table, "%zu", eval_summary(run, 0, row, eval_all).cases);
    }
    return table_finish(&table, task->command, out);
}

static void write_summary(Json* json, const EvalTask* task, const EvalSummary* summary) {
    json_count(json, "cases", summary->cases);
    if (task->measure == measure_share) {
        json_integer(json, "correct", (int64_t)(summary->sum + .5));
        json_count(json, "total", summary->cases);
    }
    if (task->measure == measure_perplexity) {
        json_real(json, "mean_nll",
                  summary->cases == 0 ? NAN : summary->sum / (double)summary->cases);
    }
    json_real(json, task->result, summary->cases == 0 ? NAN : summary->value);
    json_real(json, "low", summary->cases == 0 ? NAN : summary->low);
    json_real(json, "high", summary->cases == 0 ? NAN : summary->high);
    json_real(json, "tokens_per_second", summary->tokens_per_second);
}

static void write_result(Json* json, const EvalRun* run, size_t variant, size_t row) {
    const EvalTask* task = run->task;
    const EvalSummary all = eval_summary(run, variant, row, eval_all);
    json_begin_object(json, NULL);
    if (task->row_labels != NULL) {
        json_string(json, task->row_key, task->row_labels[row]);
    } else {
        json_integer(json, task->row_key, task->row_values[row]);
    }
    json_string(json, "method", run->variants[variant].name);
    write_summary(json, task, &all);
    if (task->part_key != NULL) {
        json_begin_array(json, "parts");
        for (size_t part = 0; part < task->parts; ++part) {
            const EvalSummary one = eval_summary(run, variant, row, part);
            json_begin_object(json, NULL);
            json_real(json, task->part_key, task->part_values[part]);
            write_summary(json, task, &one);
            json_end_object(json);
        }
        json_end_array(json);
    }
    json_end_object(json);
}

void eval_write_results(Json* json, const EvalRun* run) {
    json_string(json, "task", run->task->name);
    json_string(json, "measure", run->task->result);
    json_begin_array(json, "results");
    for (size_t row = 0; row < run->task->rows; ++row) {
        for (size_t v = 0; v < run->variant_count; ++v) write_result(json, run, v, row);
    }
    json_end_array(json);
}

static int print_results(const Command* command, const EvalRun* run, const EvalOutput* output,
                         WriteFacts facts, const void* user) {
    if (!command->json) return eval_print_table(run, output->by_part, stdout);
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    if (facts != NULL) facts(&json, user);
    eval_write_results(&json, run);
    json_end_object(&json);
    return exit_ok;
}

int eval_run_and_report(const Command* command, const sipo_model* model, const EvalTask* task,
                        const Variant* variants, size_t variant_count, const EvalOutput* output,
                        WriteFacts facts, const void* user) {
    EvalState state = {.path = NULL};
    EvalRun run = {.command = command,
                   .model = model,
                   .task = task,
                   .variants = variants,
                   .variant_count = variant_count,
                   .state = output->state == NULL ? NULL : &state,
                   .show = output->show};
    int code = exit_ok;
    if (output->state != NULL) code = eval_state_open(task->command, output->state, &state);
    if (code == exit_ok) code = eval_run(&run);
    if (code == exit_ok) code = eval_write_svg(&run, output->svg);
    if (code == exit_ok) code = print_results(command, &run, output, facts, user);
    eval_free(&run);
    eval_state_close(&state);
    return code;
}
