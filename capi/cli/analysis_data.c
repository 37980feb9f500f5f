/* Analyses as plain arrays. */
#include "analysis_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "report.h"

static int take_reals(const char* command, const sipo_analysis* analysis, int32_t id,
                      float** values, size_t* count) {
    sipo_status status = sipo_analysis_get_reals(analysis, id, NULL, 0, count);
    if (status != SIPO_OK) return report_status(command, status);
    *values = allocate(*count, sizeof **values);
    if (*values == NULL) return report_no_memory(command, "the analysis");
    if (*count == 0) return exit_ok;
    status = sipo_analysis_get_reals(analysis, id, *values, *count, count);
    return report_status(command, status);
}

static int take_integers(const char* command, const sipo_analysis* analysis, int32_t id,
                         int64_t** values, size_t* count) {
    sipo_status status = sipo_analysis_get_integers(analysis, id, NULL, 0, count);
    if (status != SIPO_OK) return report_status(command, status);
    *values = allocate(*count, sizeof **values);
    if (*values == NULL) return report_no_memory(command, "the analysis");
    if (*count == 0) return exit_ok;
    status = sipo_analysis_get_integers(analysis, id, *values, *count, count);
    return report_status(command, status);
}

int analysis_data_take(const char* command, const sipo_analysis* analysis, AnalysisData* data) {
    size_t cells = 0;
    size_t edges = 0;
    size_t ignored = 0;
    const struct {
        int32_t id;
        float** values;
        size_t* count;
    } reals[] = {
        {SIPO_ANALYSIS_LOG_DECAY, &data->log_decay, &ignored},
        {SIPO_ANALYSIS_RECEPTIVE_FIELD, &data->receptive_field, &cells},
        {SIPO_ANALYSIS_DELTA_MEAN, &data->delta_mean, &ignored},
        {SIPO_ANALYSIS_DELTA_SKIPPED, &data->delta_skipped, &ignored},
        {SIPO_ANALYSIS_DELTA_NORM, &data->delta_norm, &ignored},
        {SIPO_ANALYSIS_DELTA_EDGES, &data->delta_edges, &edges},
        {SIPO_ANALYSIS_MAPS, &data->map_values, &ignored},
    };
    const struct {
        int32_t id;
        int64_t** values;
        size_t* count;
    } integers[] = {
        {SIPO_ANALYSIS_PLACES, &data->places, &data->points},
        {SIPO_ANALYSIS_MAP_PLACES, &data->map_places, &data->map_size},
        {SIPO_ANALYSIS_CLASSES, &data->classes, &ignored},
        {SIPO_ANALYSIS_DELTA_HISTOGRAM, &data->histogram, &ignored},
        {SIPO_ANALYSIS_LAYER_TOKENS, &data->layer_tokens, &data->layers},
        {SIPO_ANALYSIS_KEPT_TOKENS, &data->kept, &data->kept_count},
        {SIPO_ANALYSIS_MAP_LAYERS, &data->map_layers, &data->maps},
        {SIPO_ANALYSIS_MAP_CHANNELS, &data->map_channels, &ignored},
    };
    int code = exit_ok;
    for (size_t i = 0; i < COUNT_OF(reals) && code == exit_ok; ++i) {
        code = take_reals(command, analysis, reals[i].id, reals[i].values, reals[i].count);
    }
    for (size_t i = 0; i < COUNT_OF(integers) && code == exit_ok; ++i) {
        code =
            take_integers(command, analysis, integers[i].id, integers[i].values, integers[i].count);
    }
    if (code != exit_ok) return code;
    data->channels = cells / data->layers;
    data->bins = edges - 1;
    return exit_ok;
}

void analysis_data_free(AnalysisData* data) {
    void* const arrays[] = {data->log_decay,     data->receptive_field, data->delta_mean,
                            data->delta_skipped, data->delta_norm,      data->delta_edges,
                            data->map_values,    data->places,          data->map_places,
                            data->classes,       data->histogram,       data->layer_tokens,
                            data->kept,          data->map_layers,      data->map_channels};
    for (size_t i = 0; i < COUNT_OF(arrays); ++i) free(arrays[i]);
    memset(data, 0, sizeof *data);
}

int analysis_in_class(const AnalysisReport* report, size_t cell, int kind) {
    return kind == class_any || report->methods[0].classes[cell] == kind;
}

size_t analysis_channels(const AnalysisReport* report, size_t first, size_t end, int kind) {
    const size_t channels = report->methods[0].channels;
    size_t count = 0;
    for (size_t cell = first * channels; cell < end * channels; ++cell) {
        count += (size_t)analysis_in_class(report, cell, kind);
    }
    return count;
}

double analysis_mean(const AnalysisReport* report, const float* values, size_t first, size_t end,
                     int kind) {
    const size_t channels = report->methods[0].channels;
    double sum = 0;
    for (size_t cell = first * channels; cell < end * channels; ++cell) {
        if (analysis_in_class(report, cell, kind)) sum += (double)values[cell];
    }
    const size_t count = analysis_channels(report, first, end, kind);
    return count == 0 ? 0 : sum / (double)count;
}

static int compare_floats(const void* left, const void* right) {
    const float a = *(const float*)left;
    const float b = *(const float*)right;
    return (a > b) - (a < b);
}

double analysis_power_of_ten(float natural_logarithm) {
    return (double)natural_logarithm / log(10.0);
}

int analysis_decay_quantiles(const AnalysisReport* report, const AnalysisData* data, size_t place,
                             int kind, const double* shares, double* results, size_t count) {
    const size_t cells = data->layers * data->channels;
    const size_t members = analysis_channels(report, 0, data->layers, kind);
    if (members == 0) return 0;
    float* sorted = allocate(members, sizeof *sorted);
    if (sorted == NULL) return -1;
    size_t next = 0;
    for (size_t cell = 0; cell < cells; ++cell) {
        if (!analysis_in_class(report, cell, kind)) continue;
        sorted[next++] = data->log_decay[cell * data->points + place];
    }
    qsort(sorted, members, sizeof *sorted, compare_floats);
    for (size_t i = 0; i < count; ++i) {
        const size_t index = (size_t)(shares[i] * (double)(members - 1) + .5);
        results[i] = analysis_power_of_ten(sorted[index]);
    }
    free(sorted);
    return 1;
}
