/* The picture of an evaluation: a line for each of a few methods over the task's rows, or, of many
 * variants, a row for each. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval_report.h"
#include "files.h"
#include "report.h"
#include "svg.h"

enum { label_size = 40 };

static const char* const styles[svg_series_count] = {"s0", "s1", "s2", "s3", "s4", "s5"};

void eval_row_label(const EvalTask* task, size_t row, char* text, size_t size) {
    if (task->row_labels != NULL) {
        snprintf(text, size, "%s", task->row_labels[row]);
    } else {
        snprintf(text, size, "%" PRId64, task->row_values[row]);
    }
}

/* The end of the axis of results, which starts at 0. */
static double highest(const EvalRun* run) {
    if (run->task->measure != measure_perplexity) return 1;
    double top = 1;
    for (size_t v = 0; v < run->variant_count; ++v) {
        for (size_t row = 0; row < run->task->rows; ++row) {
            const EvalSummary s = eval_summary(run, v, row, eval_all);
            if (s.cases > 0 && s.high > top) top = s.high;
        }
    }
    return top * 1.05;
}

static void write_tip(const EvalRun* run, size_t variant, const EvalSummary* s, char* tip,
                      size_t size) {
    snprintf(tip, size, "%s: %.3g, 95 %% from %.3g to %.3g, %zu cases", run->variants[variant].name,
             s->value, s->low, s->high, s->cases);
}

/* What stands beside what at one place of an axis: -.15 to .15. */
static double shift_of(size_t index, size_t count) {
    return .3 * ((double)index + .5 - (double)count / 2) / (double)count;
}

static void begin(Plot* plot, const LegendEntry* legend, size_t count) {
    plot->width = 620;
    plot->top += plot_legend_height(plot, legend, count);
    plot->standalone = 1;
}

static void end(const Plot* plot, const LegendEntry* legend, size_t count) {
    plot_legend(plot, legend, count);
    plot_end(plot);
}

static void draw_line(const Plot* plot, const EvalRun* run, size_t variant) {
    double x[list_capacity];
    double y[list_capacity];
    size_t count = 0;
    for (size_t row = 0; row < run->task->rows; ++row) {
        const EvalSummary s = eval_summary(run, variant, row, eval_all);
        if (s.cases == 0) continue;
        char tip[variant_name_size + 100];
        write_tip(run, variant, &s, tip, sizeof tip);
        x[count] = (double)row + shift_of(variant, run->variant_count);
        y[count] = s.value;
        plot_interval(plot, x[count], s.low, s.high, styles[variant]);
        plot_point(plot, x[count], y[count], styles[variant], tip);
        ++count;
    }
    plot_line(plot, x, y, count, styles[variant], run->variants[variant].name);
}

static void draw_by_row(const EvalRun* run, const char* title, const char* const* row_names,
                        FILE* out) {
    const EvalTask* task = run->task;
    LegendEntry legend[eval_most_columns];
    for (size_t v = 0; v < run->variant_count; ++v) {
        legend[v] = (LegendEntry){styles[v], run->variants[v].name};
    }
    Plot plot = plot_make(out, "plot", title,
                          (Axis){-.5, (double)task->rows - .5, 0, task->row_name, row_names},
                          (Axis){0, highest(run), 0, task->result, NULL});
    begin(&plot, legend, run->variant_count);
    plot.height = 340 + plot.top;
    plot_begin(&plot);
    for (size_t v = 0; v < run->variant_count; ++v) draw_line(&plot, run, v);
    end(&plot, legend, run->variant_count);
}

static void draw_variant(const Plot* plot, const EvalRun* run, size_t variant) {
    const size_t rows = run->task->rows;
    for (size_t row = 0; row < rows; ++row) {
        const EvalSummary s = eval_summary(run, variant, row, eval_all);
        if (s.cases == 0) continue;
        char tip[variant_name_size + 100];
        write_tip(run, variant, &s, tip, sizeof tip);
        const double y = (double)variant + shift_of(row, rows);
        const char* style = styles[row % svg_series_count];
        plot_interval_across(plot, s.low, s.high, y, style);
        plot_point(plot, s.value, y, style, tip);
    }
}

static void draw_by_variant(const EvalRun* run, const char* title, const char* const* row_names,
                            FILE* out) {
    const double line = 22;
    const EvalTask* task = run->task;
    const size_t shown = task->rows < svg_series_count ? task->rows : svg_series_count;
    LegendEntry legend[svg_series_count];
    const char* names[eval_most_variants];
    double widest = 0;
    for (size_t row = 0; row < shown; ++row)
        legend[row] = (LegendEntry){styles[row], row_names[row]};
    for (size_t v = 0; v < run->variant_count; ++v) {
        names[v] = run->variants[v].name;
        widest = fmax(widest, svg_text_width(names[v]));
    }
    Plot plot = plot_make(out, "plot", title, (Axis){0, highest(run), 0, task->result, NULL},
                          (Axis){(double)run->variant_count - .5, -.5, 0, "", names});
    plot.left = widest + 16;
    begin(&plot, legend, shown);
    plot.height = plot.top + plot.bottom + line * (double)run->variant_count;
    plot_begin(&plot);
    for (size_t v = 0; v < run->variant_count; ++v) draw_variant(&plot, run, v);
    end(&plot, legend, shown);
}

int eval_write_svg(const EvalRun* run, const char* path) {
    const EvalTask* task = run->task;
    if (path == NULL) return exit_ok;
    TextFile file;
    const int code = text_file_begin(task->command, &file);
    if (code != exit_ok) return code;
    char labels[list_capacity][label_size];
    const char* row_names[list_capacity];
    for (size_t row = 0; row < task->rows; ++row) {
        eval_row_label(task, row, labels[row], sizeof labels[row]);
        row_names[row] = labels[row];
    }
    char title[120];
    snprintf(title, sizeof title, "%s: %s, with 95 %% intervals", task->name, task->result);
    (run->variant_count > eval_most_columns ? draw_by_variant : draw_by_row)(run, title, row_names,
                                                                             file.out);
    return text_file_finish(task->command, &file, path, exit_ok);
}
