/* Calibrations made in passing. */
#include "calibrating.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "loading.h"
#include "progress.h"
#include "report.h"

int check_profile_name(const char* command, const char* name) {
    const size_t length = strlen(name);
    const char* const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (length >= 1 && length <= 64 && name[strspn(name, letters)] == '\0') return exit_ok;
    return report_usage(command, "--profile takes 1 to 64 of a-z A-Z 0-9 . _ -, not '%s'", name);
}

int spread_sequences(const char* command, const char* name, Sample* sample) {
    const size_t length = sample->length;
    const size_t sequences = sample->sequences;
    const size_t count = sample->tokens.count;
    if (count / length < sequences) {
        return report_failure(command,
                              "%s has %zu tokens, but %zu sequences of %zu need %zu; use more text "
                              "or fewer --sequences",
                              name, count, sequences, length, sequences * length);
    }
    /* The gaps are not negative, so that each sequence moves towards the front. */
    const size_t gap = sequences == 1 ? 0 : (count - sequences * length) / (sequences - 1);
    int32_t* ids = sample->tokens.ids;
    for (size_t i = 0; i < sequences; ++i) {
        memmove(ids + i * length, ids + i * (length + gap), length * sizeof *ids);
    }
    return exit_ok;
}

int calibrate_sample(const Command* command, const sipo_model* model, const Sample* sample,
                     double clamp, int64_t threads, sipo_calibration** calibration) {
    Progress progress;
    progress_begin(&progress, "calibrating", "layers", args_silent(command));
    sipo_calibration_options* options = NULL;
    sipo_status status = sipo_calibration_options_create(&options);
    if (status == SIPO_OK) status = sipo_calibration_options_set_clamp(options, clamp);
    if (status == SIPO_OK) {
        status = sipo_calibration_options_set_threads(options, (int32_t)threads);
    }
    if (status == SIPO_OK) {
        status = sipo_calibration_options_set_progress(options, progress_update, &progress);
    }
    if (status == SIPO_OK) {
        status = sipo_calibrate(model, sample->tokens.ids, sample->sequences, sample->length,
                                options, calibration);
    }
    progress_clear(&progress);
    sipo_calibration_options_free(options);
    return report_status(command->name, status);
}

typedef struct {
    double decay;
    int32_t layer;
} RankedLayer;

static int compare_decays(const void* left, const void* right) {
    const double a = ((const RankedLayer*)left)->decay;
    const double b = ((const RankedLayer*)right)->decay;
    return (a < b) - (a > b);
}

static int compare_layers(const void* left, const void* right) {
    return *(const int32_t*)left - *(const int32_t*)right;
}

/* Sums each layer's decays; [layers, channels]. */
static void rank_layers(const float* decays, size_t layers, size_t channels, RankedLayer* ranked) {
    for (size_t layer = 0; layer < layers; ++layer) {
        ranked[layer] = (RankedLayer){0, (int32_t)layer};
        for (size_t c = 0; c < channels; ++c) {
            ranked[layer].decay += exp((double)decays[layer * channels + c]);
        }
    }
    qsort(ranked, layers, sizeof *ranked, compare_decays);
}

int layers_by_decay(const char* command, const sipo_model* model,
                    const sipo_calibration* calibration, int32_t* layers) {
    const size_t n_layers = (size_t)model_integer(model, SIPO_MODEL_LAYERS);
    const size_t channels = (size_t)model_integer(model, SIPO_MODEL_DELTA_CHANNELS);
    size_t count = n_layers * channels;
    float* decays = allocate_zeroed(count, sizeof *decays);
    RankedLayer* ranked = allocate_zeroed(n_layers, sizeof *ranked);
    if (decays == NULL || ranked == NULL) {
        free(decays);
        free(ranked);
        return report_no_memory(command, "the layers");
    }
    const sipo_status status = sipo_calibration_log_decay(calibration, decays, count, &count);
    rank_layers(decays, n_layers, channels, ranked);
    for (size_t i = 0; i < n_layers; ++i) layers[i] = ranked[i].layer;
    free(ranked);
    free(decays);
    return report_status(command, status);
}

int layer_list(const char* command, const int32_t* layers, size_t count, char** list) {
    enum { digits = 12 };
    int32_t* sorted = allocate(count, sizeof *sorted);
    char* text = allocate_zeroed(count * digits + 1, 1);
    if (sorted == NULL || text == NULL) {
        free(sorted);
        free(text);
        return report_no_memory(command, "the layers");
    }
    memcpy(sorted, layers, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_layers);
    size_t length = 0;
    for (size_t i = 0; i < count; ++i) {
        length +=
            (size_t)snprintf(text + length, digits, i == 0 ? "%" PRId32 : ",%" PRId32, sorted[i]);
    }
    free(sorted);
    *list = text;
    return exit_ok;
}
