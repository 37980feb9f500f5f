/* Results of an evaluation in numbers. */
#include <math.h>
#include <stdlib.h>

#include "allocate.h"
#include "clock.h"
#include "eval_run.h"
#include "random.h"

enum { resamples = 1000 };

static const double z_95 = 1.959963984540054;

void wilson_interval(double right, double total, double* low, double* high) {
    const double share = right / total;
    const double z2 = z_95 * z_95;
    const double middle = share + z2 / (2 * total);
    const double reach = z_95 * sqrt(share * (1 - share) / total + z2 / (4 * total * total));
    *low = fmax((middle - reach) / (1 + z2 / total), 0);
    *high = fmin((middle + reach) / (1 + z2 / total), 1);
}

static int compare_doubles(const void* left, const void* right) {
    const double a = *(const double*)left;
    const double b = *(const double*)right;
    return (a > b) - (a < b);
}

void bootstrap_interval(const double* values, size_t count, double* low, double* high) {
    double means[resamples];
    Random random = {95};
    for (size_t i = 0; i < resamples; ++i) {
        double sum = 0;
        for (size_t j = 0; j < count; ++j) sum += values[random_below(&random, count)];
        means[i] = sum / (double)count;
    }
    qsort(means, resamples, sizeof *means, compare_doubles);
    *low = means[resamples * 25 / 1000];
    *high = means[resamples * 975 / 1000 - 1];
}

static int is_in(const CasePlace* place, size_t row, size_t part) {
    return (row == eval_all || place->row == row) && (part == eval_all || place->part == part);
}

static const CaseResult* results_of(const EvalRun* run, size_t variant) {
    return run->results + variant * run->task->cases;
}

EvalSummary eval_summary(const EvalRun* run, size_t variant, size_t row, size_t part) {
    const EvalTask* task = run->task;
    EvalSummary summary = {0, 0, 0, 0, 0, 0};
    double tokens = 0;
    double seconds = 0;
    double* values = allocate(task->cases, sizeof *values);
    if (values == NULL) return summary;
    for (size_t i = 0; i < task->cases; ++i) {
        const CaseResult* result = &results_of(run, variant)[i];
        if (!result->done || !is_in(&run->places[i], row, part)) continue;
        values[summary.cases++] = result->value;
        summary.sum += result->value;
        tokens += result->tokens;
        seconds += result->seconds;
    }
    if (summary.cases > 0) {
        summary.value = summary.sum / (double)summary.cases;
        if (task->measure == measure_share) {
            wilson_interval(summary.sum, (double)summary.cases, &summary.low, &summary.high);
        } else {
            bootstrap_interval(values, summary.cases, &summary.low, &summary.high);
        }
    }
    if (task->measure == measure_perplexity) {
        summary.value = exp(summary.value);
        summary.low = exp(summary.low);
        summary.high = exp(summary.high);
    }
    summary.tokens_per_second = clock_rate(tokens, seconds);
    free(values);
    return summary;
}
