/* The pictures of an analysis. */
#include "analysis_plots.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "report.h"
#include "session_flags.h"
#include "svg.h"

enum { most_places = 4096, most_ranks = 300, most_map_layers = 4, map_levels = 12 };

/* The style of a method's marks, as svg_style() names it. */
static const char* const method_styles[] = {"s0", "s1", "s2", "s4"};

static size_t method_style(const AnalysisReport* report, size_t method) {
    const char* name = report->methods[method].method;
    return strcmp(name, "decimamba") == 0   ? 1
           : strcmp(name, "longmamba") == 0 ? 2
           : strcmp(name, "profile") == 0   ? 3
                                            : 0;
}

static const char* style_of(const AnalysisReport* report, size_t method) {
    return method_styles[method_style(report, method)];
}

static void begin_figure(const Plot* plot) {
    fputs("<figure>\n", plot->out);
    plot_begin(plot);
}

static void end_figure(const Plot* plot) {
    plot_end(plot);
    fputs("</figure>\n", plot->out);
}

/* What a legend of all methods says. */
static size_t method_legend(const AnalysisReport* report, LegendEntry* entries) {
    for (size_t m = 0; m < report->method_count; ++m) {
        entries[m] = (LegendEntry){style_of(report, m), report->methods[m].method};
    }
    return report->method_count;
}

/* ---- decay ---- */

typedef struct {
    size_t count;
    double tokens[most_places];
    double low[most_places], middle[most_places], high[most_places];
} DecayCurve;

/* 0 when the class is empty, -1 without memory. */
static int decay_curve(const AnalysisReport* report, const AnalysisData* data, int kind,
                       DecayCurve* curve) {
    static const double shares[] = {.1, .5, .9};
    curve->count = data->points;
    for (size_t p = 0; p < data->points; ++p) {
        double results[3];
        const int known = analysis_decay_quantiles(report, data, p, kind, shares, results, 3);
        if (known != 1) return known;
        curve->tokens[p] = (double)data->places[p];
        curve->low[p] = results[0];
        curve->middle[p] = results[1];
        curve->high[p] = results[2];
    }
    return 1;
}

static void mark_training(const Plot* plot, const AnalysisReport* report) {
    if (report->training_length < report->tokens) {
        plot_mark(plot, (double)report->training_length, "trained");
    }
}

static int plot_decay_of(FILE* out, const AnalysisReport* report, size_t method, double low,
                         DecayCurve* curve) {
    const AnalysisData* data = &report->methods[method];
    char id[16];
    char title[80];
    snprintf(id, sizeof id, "decay%zu", method);
    snprintf(title, sizeof title, "%s: decay by length", data->method);
    const Plot plot =
        plot_make(out, id, title, (Axis){0, (double)report->tokens, 0, "tokens read", NULL},
                  (Axis){low, 0, 1, "share of the state that is left", NULL});
    const char* style = style_of(report, method);
    char dashed[16];
    snprintf(dashed, sizeof dashed, "%s dash", style);
    begin_figure(&plot);
    const int has_local = decay_curve(report, data, class_local, curve);
    if (has_local == 1) {
        plot_line(&plot, curve->tokens, curve->middle, curve->count, dashed, "local, median");
    }
    const int has_global = decay_curve(report, data, class_global, curve);
    if (has_global == 1) {
        plot_band(&plot, curve->tokens, curve->low, curve->high, curve->count, style);
        plot_line(&plot, curve->tokens, curve->middle, curve->count, style, "global, median");
    }
    mark_training(&plot, report);
    const LegendEntry legend[] = {{style, "global"}, {dashed, "local"}};
    plot_legend(&plot, legend, 2);
    end_figure(&plot);
    return has_local < 0 || has_global < 0 ? -1 : 0;
}

/* The lowest power of ten that is worth showing. */
static int decay_floor(const AnalysisReport* report, DecayCurve* curve, double* low) {
    *low = -5;
    for (size_t m = 0; m < report->method_count; ++m) {
        const int known = decay_curve(report, &report->methods[m], class_global, curve);
        if (known < 0) return -1;
        if (known == 1 && curve->low[curve->count - 1] < *low) *low = curve->low[curve->count - 1];
    }
    *low = fmax(floor(*low * 1.1), -300);
    return 0;
}

static int compare_ranks(const void* left, const void* right) {
    const double a = ((const double*)left)[0];
    const double b = ((const double*)right)[0];
    return (a < b) - (a > b);
}

/* Cells of a class with the first method's value at the training length, most lasting first: pairs
 * of value and cell. Without memory NULL. */
static double* ranked_cells(const AnalysisReport* report, int kind, size_t* count) {
    const AnalysisData* data = &report->methods[0];
    const size_t cells = data->layers * data->channels;
    size_t place = 0;
    while (place + 1 < data->points && data->places[place] < report->training_length) ++place;
    double* pairs = allocate(2 * cells, sizeof *pairs);
    if (pairs == NULL) return NULL;
    *count = 0;
    for (size_t cell = 0; cell < cells; ++cell) {
        if (!analysis_in_class(report, cell, kind)) continue;
        pairs[2 * *count] = analysis_power_of_ten(data->log_decay[cell * data->points + place]);
        pairs[2 * *count + 1] = (double)cell;
        ++*count;
    }
    qsort(pairs, *count, 2 * sizeof *pairs, compare_ranks);
    return pairs;
}

static void draw_ranks(const Plot* plot, const AnalysisReport* report, const double* pairs,
                       size_t count) {
    const size_t step = count / most_ranks + 1;
    char tip[120];
    for (size_t m = 0; m < report->method_count; ++m) {
        const AnalysisData* data = &report->methods[m];
        for (size_t i = 0; i < count; i += step) {
            const size_t cell = (size_t)pairs[2 * i + 1];
            const double y = analysis_power_of_ten(data->log_decay[(cell + 1) * data->points - 1]);
            snprintf(tip, sizeof tip, "%s: layer %zu, channel %zu, 10^%.2f", data->method,
                     cell / data->channels, cell % data->channels, y);
            plot_point(plot, (double)(i + 1), y, style_of(report, m), tip);
        }
    }
}

static int plot_decay_ranks(FILE* out, const AnalysisReport* report, double low) {
    size_t count = 0;
    double* pairs = ranked_cells(report, class_global, &count);
    if (pairs == NULL) return -1;
    if (count == 0) {
        free(pairs);
        return 0;
    }
    const Plot plot =
        plot_make(out, "ranks", "Decay of each global channel",
                  (Axis){0, (double)count + 1, 0, "global channels, most lasting first", NULL},
                  (Axis){low, 0, 1, "share of the state that is left", NULL});
    begin_figure(&plot);
    double x[most_ranks + 1];
    double y[most_ranks + 1];
    size_t drawn = 0;
    const size_t step = count / most_ranks + 1;
    for (size_t i = 0; i < count; i += step, ++drawn) {
        x[drawn] = (double)(i + 1);
        y[drawn] = pairs[2 * i];
    }
    draw_ranks(&plot, report, pairs, count);
    plot_line(&plot, x, y, drawn, "s3", "at the training length");
    LegendEntry legend[1 + method_count] = {{"s3", "when trained"}};
    for (size_t m = 0; m < report->method_count; ++m) {
        static const char* const dots[] = {"dot s0", "dot s1", "dot s2", "dot s4"};
        legend[m + 1] = (LegendEntry){dots[method_style(report, m)], report->methods[m].method};
    }
    plot_legend(&plot, legend, report->method_count + 1);
    end_figure(&plot);
    free(pairs);
    return 0;
}

int plot_decays(FILE* out, const AnalysisReport* report) {
    DecayCurve* curve = allocate(1, sizeof *curve);
    double low = 0;
    int failed = curve == NULL || decay_floor(report, curve, &low) != 0;
    for (size_t m = 0; m < report->method_count && !failed; ++m) {
        failed = plot_decay_of(out, report, m, low, curve) != 0;
    }
    free(curve);
    if (!failed) failed = plot_decay_ranks(out, report, low) != 0;
    return failed ? report_no_memory(report->command, "the report") : exit_ok;
}

/* ---- receptive fields ---- */

static double highest(const double* values, size_t count, double least) {
    for (size_t i = 0; i < count; ++i) {
        if (values[i] > least) least = values[i];
    }
    return least;
}

/* By layer, one line a method. */
static int plot_fields_by_layer(FILE* out, const AnalysisReport* report, int kind, const char* id,
                                const char* title) {
    const size_t layers = report->methods[0].layers;
    double* values = allocate((report->method_count + 1) * layers, sizeof *values);
    if (values == NULL) return -1;
    double* x = values + report->method_count * layers;
    for (size_t layer = 0; layer < layers; ++layer) x[layer] = (double)layer;
    for (size_t i = 0; i < report->method_count * layers; ++i) {
        const AnalysisData* data = &report->methods[i / layers];
        values[i] = analysis_mean(report, data->receptive_field, i % layers, i % layers + 1, kind);
    }
    const double top = highest(values, report->method_count * layers, 1) * 1.08;
    const Plot plot = plot_make(out, id, title, (Axis){-.5, (double)layers - .5, 0, "layer", NULL},
                                (Axis){0, top, 0, "mean distance, tokens", NULL});
    begin_figure(&plot);
    for (size_t m = 0; m < report->method_count; ++m) {
        const AnalysisData* data = &report->methods[m];
        plot_line(&plot, x, values + m * layers, layers, style_of(report, m), data->method);
        for (size_t layer = 0; layer < layers; ++layer) {
            char tip[120];
            snprintf(tip, sizeof tip, "%s: layer %zu, %.1f tokens", data->method, layer,
                     values[m * layers + layer]);
            plot_point(&plot, x[layer], values[m * layers + layer], style_of(report, m), tip);
        }
    }
    LegendEntry legend[method_count];
    plot_legend(&plot, legend, method_legend(report, legend));
    end_figure(&plot);
    free(values);
    return 0;
}

/* All global channels of a method, furthest first. */
static int plot_field_ranks(FILE* out, const AnalysisReport* report) {
    const AnalysisData* first = &report->methods[0];
    const size_t cells = first->layers * first->channels;
    double* pairs = allocate(3 * cells, sizeof *pairs);
    if (pairs == NULL) return -1;
    const size_t count = analysis_channels(report, 0, first->layers, class_global);
    double top = 1;
    for (size_t m = 0; m < report->method_count; ++m) {
        const float* fields = report->methods[m].receptive_field;
        for (size_t cell = 0; cell < cells; ++cell) {
            if (analysis_in_class(report, cell, class_global))
                top = fmax(top, (double)fields[cell]);
        }
    }
    const Plot plot =
        plot_make(out, "fieldranks", "Every global channel",
                  (Axis){0, (double)count + 1, 0, "global channels, furthest first", NULL},
                  (Axis){0, top * 1.05, 0, "mean distance, tokens", NULL});
    begin_figure(&plot);
    for (size_t m = 0; m < report->method_count; ++m) {
        size_t taken = 0;
        for (size_t cell = 0; cell < cells; ++cell) {
            if (!analysis_in_class(report, cell, class_global)) continue;
            pairs[2 * taken] = (double)report->methods[m].receptive_field[cell];
            pairs[2 * taken++ + 1] = (double)cell;
        }
        qsort(pairs, taken, 2 * sizeof *pairs, compare_ranks);
        double x[most_ranks + 1];
        double y[most_ranks + 1];
        size_t drawn = 0;
        for (size_t i = 0; i < taken; i += taken / most_ranks + 1, ++drawn) {
            x[drawn] = (double)(i + 1);
            y[drawn] = pairs[2 * i];
        }
        plot_line(&plot, x, y, drawn, style_of(report, m), report->methods[m].method);
    }
    LegendEntry legend[method_count];
    plot_legend(&plot, legend, method_legend(report, legend));
    end_figure(&plot);
    free(pairs);
    return 0;
}

int plot_receptive_fields(FILE* out, const AnalysisReport* report) {
    const size_t layers = report->methods[0].layers;
    const int has_global = analysis_channels(report, 0, layers, class_global) > 0;
    int failed = plot_fields_by_layer(out, report, class_any, "fields", "All channels, by layer");
    if (!failed && has_global) {
        failed = plot_fields_by_layer(out, report, class_global, "globalfields",
                                      "Global channels, by layer");
    }
    if (!failed && has_global) failed = plot_field_ranks(out, report);
    return failed ? report_no_memory(report->command, "the report") : exit_ok;
}

/* ---- attention maps ---- */

/* Shades of a map: a row is a share of its sum, three powers of ten from nothing to all. */
static void shade_map(const AnalysisData* data, size_t map, unsigned char* cells) {
    const size_t size = data->map_size;
    for (size_t row = 0; row < size; ++row) {
        const float* values = data->map_values + (map * size + row) * size;
        double sum = 0;
        for (size_t column = 0; column < size; ++column) sum += (double)values[column];
        for (size_t column = 0; column < size; ++column) {
            const double share = sum > 0 ? (double)values[column] / sum : 0;
            const double level = share > 0 ? map_levels * (1 + log10(share) / 3) : 0;
            cells[row * size + column] = (unsigned char)(level <= 0            ? 0
                                                         : level >= map_levels ? map_levels
                                                                               : ceil(level));
        }
    }
}

static void plot_map(FILE* out, const AnalysisReport* report, size_t method, size_t map,
                     const unsigned char* cells) {
    const AnalysisData* data = &report->methods[method];
    char id[40];
    char title[120];
    snprintf(id, sizeof id, "map%zux%zu", method, map);
    snprintf(title, sizeof title, "%s, layer %" PRId64 ", channel %" PRId64, data->method,
             data->map_layers[map], data->map_channels[map]);
    const double tokens = (double)report->tokens;
    const Plot plot = {.out = out,
                       .width = 320,
                       .height = 320,
                       .left = 56,
                       .top = 28,
                       .right = 14,
                       .bottom = 42,
                       .x = {0, tokens, 0, "token looked at", NULL},
                       .y = {tokens, 0, 0, "token that looks", NULL},
                       .title = title,
                       .id = id,
                       .standalone = 0};
    begin_figure(&plot);
    plot_cells(&plot, cells, data->map_size, map_levels);
    end_figure(&plot);
}

int plot_maps(FILE* out, const AnalysisReport* report) {
    const AnalysisData* first = &report->methods[0];
    unsigned char* cells = allocate(first->map_size * first->map_size, 1);
    if (cells == NULL) return report_no_memory(report->command, "the report");
    const size_t shown = first->maps < most_map_layers ? first->maps : most_map_layers;
    for (size_t i = 0; i < shown; ++i) {
        const size_t map = shown == 1 ? 0 : i * (first->maps - 1) / (shown - 1);
        for (size_t m = 0; m < report->method_count; ++m) {
            shade_map(&report->methods[m], map, cells);
            plot_map(out, report, m, map, cells);
        }
    }
    free(cells);
    return exit_ok;
}

/* ---- steps ---- */

/* The share of a class's steps an octave, in percent by bin, over all layers; how many there are. */
static double shares_of(const AnalysisData* data, int kind, double* shares) {
    double total = 0;
    for (size_t bin = 0; bin < data->bins; ++bin) {
        shares[bin] = 0;
        for (size_t layer = 0; layer < data->layers; ++layer) {
            shares[bin] += (double)data->histogram[(2 * layer + (size_t)kind) * data->bins + bin];
        }
        total += shares[bin];
    }
    for (size_t bin = 0; bin < data->bins && total > 0; ++bin) {
        const float* edges = data->delta_edges + bin;
        shares[bin] *= 100 / total / log2((double)edges[1] / (double)edges[0]);
    }
    return total;
}

static void plot_histogram(FILE* out, const AnalysisReport* report, size_t method) {
    enum { most_bins = 256 };
    const AnalysisData* data = &report->methods[method];
    if (data->bins > most_bins) return;
    double shares[class_count][most_bins];
    double totals[class_count];
    double top = 1;
    for (int kind = 0; kind < class_count; ++kind) {
        totals[kind] = shares_of(data, kind, shares[kind]);
        top = highest(shares[kind], data->bins, top);
    }
    char id[16];
    char title[80];
    snprintf(id, sizeof id, "steps%zu", method);
    snprintf(title, sizeof title, "%s: distribution of \xCE\x94", data->method);
    const Plot plot =
        plot_make(out, id, title,
                  (Axis){log10((double)data->delta_edges[0]),
                         log10((double)data->delta_edges[data->bins]), 1, "step \xCE\x94", NULL},
                  (Axis){0, top * 1.1, 0, "steps a factor of two, %", NULL});
    begin_figure(&plot);
    static const char* const styles[] = {"s0", "s2"};
    static const char* const names[] = {"local", "global"};
    LegendEntry legend[class_count];
    size_t shown = 0;
    double x[most_bins];
    for (size_t bin = 0; bin < data->bins; ++bin) {
        x[bin] =
            (log10((double)data->delta_edges[bin]) + log10((double)data->delta_edges[bin + 1])) / 2;
    }
    for (int kind = 0; kind < class_count; ++kind) {
        if (!(totals[kind] > 0)) continue;
        double zero[most_bins] = {0};
        plot_band(&plot, x, zero, shares[kind], data->bins, styles[kind]);
        plot_line(&plot, x, shares[kind], data->bins, styles[kind], names[kind]);
        legend[shown++] = (LegendEntry){styles[kind], names[kind]};
    }
    plot_legend(&plot, legend, shown);
    end_figure(&plot);
}

void plot_histograms(FILE* out, const AnalysisReport* report) {
    for (size_t m = 0; m < report->method_count; ++m) plot_histogram(out, report, m);
}

/* ---- along the text ---- */

/* ‖Δ‖ relative to its mean: the first, a middle and the last layer of a method. */
static int plot_norms(FILE* out, const AnalysisReport* report) {
    const AnalysisData* data = &report->methods[0];
    const size_t layers[] = {0, data->layers / 2, data->layers - 1};
    static const char* const styles[] = {"s3", "s4", "s5"};
    double* values = allocate(4 * data->points, sizeof *values);
    if (values == NULL) return -1;
    double* x = values + 3 * data->points;
    for (size_t p = 0; p < data->points; ++p) x[p] = (double)data->places[p];
    for (size_t i = 0; i < 3; ++i) {
        const float* norms = data->delta_norm + layers[i] * data->points;
        double sum = 0;
        for (size_t p = 0; p < data->points; ++p) sum += (double)norms[p];
        for (size_t p = 0; p < data->points; ++p) {
            values[i * data->points + p] =
                sum > 0 ? (double)norms[p] * (double)data->points / sum : 0;
        }
    }
    char title[80];
    snprintf(title, sizeof title, "%s: \xE2\x80\x96\xCE\x94\xE2\x80\x96 along the text",
             data->method);
    const Plot plot = plot_make(
        out, "norms", title, (Axis){0, (double)report->tokens, 0, "token", NULL},
        (Axis){0, highest(values, 3 * data->points, 1.2) * 1.1, 0, "relative to the mean", NULL});
    begin_figure(&plot);
    char words[3][24];
    LegendEntry legend[3];
    for (size_t i = 0; i < 3; ++i) {
        snprintf(words[i], sizeof words[i], "layer %zu", layers[i]);
        plot_line(&plot, x, values + i * data->points, data->points, styles[i], words[i]);
        legend[i] = (LegendEntry){styles[i], words[i]};
    }
    plot_legend(&plot, legend, 3);
    end_figure(&plot);
    free(values);
    return 0;
}

static void plot_kept(FILE* out, const AnalysisReport* report, size_t method) {
    const AnalysisData* data = &report->methods[method];
    char title[100];
    snprintf(title, sizeof title, "%s: %zu of %" PRId64 " tokens reach the last layer",
             data->method, data->kept_count, report->tokens);
    const Plot plot =
        plot_make(out, "kept", title, (Axis){0, (double)report->tokens, 0, "token", NULL},
                  (Axis){0, 100, 0, "kept, %", NULL});
    begin_figure(&plot);
    size_t next = 0;
    int64_t from = 0;
    for (size_t p = 0; p < data->points; ++p) {
        const size_t first = next;
        while (next < data->kept_count && data->kept[next] < data->places[p]) ++next;
        const double share = 100 * (double)(next - first) / (double)(data->places[p] - from);
        char tip[100];
        snprintf(tip, sizeof tip, "tokens %" PRId64 " to %" PRId64 ": %.1f %%", from,
                 data->places[p] - 1, share);
        plot_bar(&plot, (double)from, (double)data->places[p], share, style_of(report, method),
                 tip);
        from = data->places[p];
    }
    end_figure(&plot);
}

int plot_tokens(FILE* out, const AnalysisReport* report) {
    if (plot_norms(out, report) != 0) return report_no_memory(report->command, "the report");
    for (size_t m = 0; m < report->method_count; ++m) {
        if ((int64_t)report->methods[m].kept_count < report->tokens) plot_kept(out, report, m);
    }
    return exit_ok;
}
