/* The numbers that every language has to give of an analysis: a line for each array with its name and a sum
 * of all its values in order. The prompt and the options are the same in AnalysisTest.java, AnalysisTest.cs
 * and analysis_test.go, and so is the sum: FNV-1a over 64-bit words, of real numbers over their bits.
 *   analysis MODEL TEXT */
#include <inttypes.h>
#include <string.h>

#include "prompt.h"

enum { analysed_tokens = 500 };

static void print_sum(const char* name, const uint64_t* words, size_t count) {
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < count; ++i) sum = (sum ^ words[i]) * UINT64_C(0x100000001b3);
    printf("%s %016" PRIx64 "\n", name, sum);
}

static void* room(size_t count) {
    void* const made = calloc(count + 1, 8);
    if (made == NULL) exit(1);
    return made;
}

static void print_reals(const sipo_analysis* analysis, int32_t id, const char* name) {
    size_t count = 0;
    need(sipo_analysis_get_reals(analysis, id, NULL, 0, &count));
    float* const values = room(count);
    uint64_t* const words = room(count);
    need(sipo_analysis_get_reals(analysis, id, values, count, &count));
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits = 0;
        memcpy(&bits, &values[i], sizeof bits);
        words[i] = bits;
    }
    print_sum(name, words, count);
    free(values);
    free(words);
}

static void print_integers(const sipo_analysis* analysis, int32_t id, const char* name) {
    size_t count = 0;
    need(sipo_analysis_get_integers(analysis, id, NULL, 0, &count));
    int64_t* const values = room(count);
    uint64_t* const words = room(count);
    need(sipo_analysis_get_integers(analysis, id, values, count, &count));
    for (size_t i = 0; i < count; ++i) words[i] = (uint64_t)values[i];
    print_sum(name, words, count);
    free(values);
    free(words);
}

static sipo_analysis* analyze(const sipo_model* model, const int32_t* ids, size_t count) {
    static const int32_t layers[] = {1, 7}, channels[] = {3, 511};
    sipo_session_options* session = NULL;
    sipo_analysis_options* options = NULL;
    sipo_analysis* analysis = NULL;
    need(sipo_session_options_create(model, &session));
    need(sipo_session_options_set_context(session, SIPO_CONTEXT_DECIMAMBA));
    need(sipo_session_options_set_decimation_capacity(session, 100));
    need(sipo_analysis_options_create(&options));
    need(sipo_analysis_options_set_points(options, 10));
    need(sipo_analysis_options_set_map_size(options, 6));
    need(sipo_analysis_options_set_map_channels(options, layers, channels, 2));
    need(sipo_analyze(session, ids, count, options, &analysis));
    sipo_analysis_options_free(options);
    sipo_session_options_free(session);
    return analysis;
}

int main(int argc, char** argv) {
    static int32_t ids[prompt_bytes];
    size_t count = 0;
    sipo_model* const model = open_with_prompt(argc, argv, ids, &count);
    if (count < analysed_tokens) return 1;
    sipo_analysis* const analysis = analyze(model, ids, analysed_tokens);
    print_integers(analysis, SIPO_ANALYSIS_PLACES, "places");
    print_reals(analysis, SIPO_ANALYSIS_DELTA_EDGES, "delta_edges");
    print_integers(analysis, SIPO_ANALYSIS_LAYER_TOKENS, "layer_tokens");
    print_integers(analysis, SIPO_ANALYSIS_CLASSES, "classes");
    print_reals(analysis, SIPO_ANALYSIS_LOG_DECAY, "log_decay");
    print_reals(analysis, SIPO_ANALYSIS_RECEPTIVE_FIELD, "receptive_field");
    print_reals(analysis, SIPO_ANALYSIS_DELTA_MEAN, "delta_mean");
    print_reals(analysis, SIPO_ANALYSIS_DELTA_SKIPPED, "delta_skipped");
    print_reals(analysis, SIPO_ANALYSIS_DELTA_NORM, "delta_norm");
    print_integers(analysis, SIPO_ANALYSIS_DELTA_HISTOGRAM, "delta_histogram");
    print_integers(analysis, SIPO_ANALYSIS_MAP_PLACES, "map_places");
    print_integers(analysis, SIPO_ANALYSIS_MAP_LAYERS, "map_layers");
    print_integers(analysis, SIPO_ANALYSIS_MAP_CHANNELS, "map_channels");
    print_reals(analysis, SIPO_ANALYSIS_MAPS, "maps");
    print_integers(analysis, SIPO_ANALYSIS_KEPT_TOKENS, "kept_tokens");
    sipo_analysis_free(analysis);
    sipo_model_free(model);
    return 0;
}
