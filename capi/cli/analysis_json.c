/* An analysis as one JSON object. */
#include <stdio.h>

#include "analysis_report.h"
#include "json.h"

/* log10 of the decay by place: tenth, half and ninth tenth of a class. */
static void write_decays(Json* json, const char* key, const AnalysisReport* report,
                         const AnalysisData* data, int kind) {
    static const double shares[] = {.1, .5, .9};
    json_begin_array(json, key);
    for (size_t place = 0; place < data->points; ++place) {
        double results[3];
        if (analysis_decay_quantiles(report, data, place, kind, shares, results, 3) != 1) break;
        const float line[] = {(float)results[0], (float)results[1], (float)results[2]};
        json_real_list(json, NULL, line, 3);
    }
    json_end_array(json);
}

static void write_layer(Json* json, const AnalysisReport* report, const AnalysisData* data,
                        size_t layer) {
    const size_t first = layer * data->channels;
    const size_t end = layer + 1;
    json_begin_object(json, NULL);
    json_count(json, "layer", layer);
    json_integer(json, "tokens", data->layer_tokens[layer]);
    json_count(json, "global_channels", analysis_channels(report, layer, end, class_global));
    json_real(json, "mean_receptive_field",
              analysis_mean(report, data->receptive_field, layer, end, class_any));
    json_integer_list(json, "classes", report->methods[0].classes + first, data->channels);
    json_real_list(json, "receptive_field", data->receptive_field + first, data->channels);
    json_begin_array(json, "log_decay"); /* [channels][points] */
    for (size_t c = 0; c < data->channels; ++c) {
        json_real_list(json, NULL, data->log_decay + (first + c) * data->points, data->points);
    }
    json_end_array(json);
    json_real_list(json, "delta_mean", data->delta_mean + first, data->channels);
    json_real_list(json, "delta_skipped", data->delta_skipped + first, data->channels);
    json_real_list(json, "delta_norm", data->delta_norm + layer * data->points, data->points);
    json_integer_list(json, "delta_histogram_local", data->histogram + 2 * layer * data->bins,
                      data->bins);
    json_integer_list(json, "delta_histogram_global",
                      data->histogram + (2 * layer + 1) * data->bins, data->bins);
    json_end_object(json);
}

static void write_map(Json* json, const AnalysisData* data, size_t map) {
    json_begin_object(json, NULL);
    json_integer(json, "layer", data->map_layers[map]);
    json_integer(json, "channel", data->map_channels[map]);
    json_begin_array(json, "attention");
    for (size_t row = 0; row < data->map_size; ++row) {
        json_real_list(json, NULL, data->map_values + (map * data->map_size + row) * data->map_size,
                       data->map_size);
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_method(Json* json, const AnalysisReport* report, const AnalysisData* data) {
    const size_t layers = data->layers;
    json_begin_object(json, NULL);
    json_string(json, "method", data->method);
    json_real(json, "seconds", data->seconds);
    json_real(json, "receptive_field",
              analysis_mean(report, data->receptive_field, 0, layers, class_any));
    json_real(json, "receptive_field_global",
              analysis_mean(report, data->receptive_field, 0, layers, class_global));
    json_real(json, "receptive_field_local",
              analysis_mean(report, data->receptive_field, 0, layers, class_local));
    write_decays(json, "decay_powers_global", report, data, class_global);
    write_decays(json, "decay_powers_local", report, data, class_local);
    json_integer_list(json, "kept_tokens", data->kept, data->kept_count);
    json_begin_array(json, "layers");
    for (size_t layer = 0; layer < layers; ++layer) write_layer(json, report, data, layer);
    json_end_array(json);
    json_begin_array(json, "maps");
    for (size_t map = 0; map < data->maps; ++map) write_map(json, data, map);
    json_end_array(json);
    json_end_object(json);
}

void analysis_print_json(const AnalysisReport* report) {
    const AnalysisData* first = &report->methods[0];
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_integer(&json, "version", analysis_layout_version);
    json_string(&json, "model", report->model);
    json_string(&json, "family", report->family);
    json_string(&json, "text", report->text);
    json_integer(&json, "tokens", report->tokens);
    json_integer(&json, "training_length", report->training_length);
    json_real(&json, "global_threshold", report->threshold);
    json_count(&json, "layers", first->layers);
    json_count(&json, "channels", first->channels);
    json_integer_list(&json, "places", first->places, first->points);
    json_integer_list(&json, "map_places", first->map_places, first->map_size);
    json_real_list(&json, "delta_edges", first->delta_edges, first->bins + 1);
    json_begin_array(&json, "methods");
    for (size_t m = 0; m < report->method_count; ++m) {
        write_method(&json, report, &report->methods[m]);
    }
    json_end_array(&json);
    json_end_object(&json);
}
