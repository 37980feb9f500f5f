/* An analysis of one method as plain arrays, and what reports say of it. */
#ifndef SIPO_CLI_ANALYSIS_DATA_H_
#define SIPO_CLI_ANALYSIS_DATA_H_

#include <sipo/sipo.h>
#include <stddef.h>
#include <stdint.h>

enum { class_local, class_global, class_count, class_any = class_count };

/* Shapes and meanings are those of SIPO_ANALYSIS_* in sipo.h. */
typedef struct {
    const char* method;
    double seconds;
    size_t layers;
    size_t channels; /* of a layer */
    size_t points;
    size_t bins;
    size_t maps;
    size_t map_size;
    size_t kept_count;
    float* log_decay;
    float* receptive_field;
    float* delta_mean;
    float* delta_skipped;
    float* delta_norm;
    float* delta_edges;
    float* map_values;
    int64_t* places;
    int64_t* map_places;
    int64_t* classes;
    int64_t* histogram;
    int64_t* layer_tokens;
    int64_t* kept;
    int64_t* map_layers;
    int64_t* map_channels;
} AnalysisData;

/* Everything that is reported: the same prompt with one method after the other. */
typedef struct {
    const char* command;
    const char* model;
    const char* text;
    const char* family;
    int64_t tokens;
    int64_t training_length;
    double threshold; /* of global channels */
    const AnalysisData* methods;
    size_t method_count;
} AnalysisReport;

/* Takes the arrays of `analysis`; the exit code. */
int analysis_data_take(const char* command, const sipo_analysis* analysis, AnalysisData* data);
void analysis_data_free(AnalysisData* data);

/* Cells are channels of all layers, [layers, channels]. Their classes are those that the first
 * method found, so that all methods are told of the same channels. */
int analysis_in_class(const AnalysisReport* report, size_t cell, int kind);

/* Channels of a class in layers first to end - 1. */
size_t analysis_channels(const AnalysisReport* report, size_t first, size_t end, int kind);

/* Mean over the channels of a class in layers first to end - 1 of an array [layers, channels]; 0
 * when there are none. */
double analysis_mean(const AnalysisReport* report, const float* values, size_t first, size_t end,
                     int kind);

/* Quantiles over a class of the log decay at a place (an index): results[i] for shares[i], in powers
 * of ten. Returns 0 when the class is empty; -1 when there is no memory. */
int analysis_decay_quantiles(const AnalysisReport* report, const AnalysisData* data, size_t place,
                             int kind, const double* shares, double* results, size_t count);

/* ln to log10. */
double analysis_power_of_ten(float natural_logarithm);

#endif /* SIPO_CLI_ANALYSIS_DATA_H_ */
