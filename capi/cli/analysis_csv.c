/* An analysis as tables, one file each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "analysis_report.h"
#include "args.h"
#include "files.h"
#include "report.h"

typedef void (*WriteRows)(FILE* out, const AnalysisReport* report, const AnalysisData* data);

static void write_channels(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    for (size_t cell = 0; cell < data->layers * data->channels; ++cell) {
        fprintf(out, "%s,%zu,%zu,%s,%.6g,%.6g,%.6g,%.6g\n", data->method, cell / data->channels,
                cell % data->channels,
                analysis_in_class(report, cell, class_global) ? "global" : "local",
                (double)data->log_decay[(cell + 1) * data->points - 1],
                (double)data->receptive_field[cell], (double)data->delta_mean[cell],
                (double)data->delta_skipped[cell]);
    }
}

static void write_decay(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    (void)report;
    for (size_t cell = 0; cell < data->layers * data->channels; ++cell) {
        for (size_t p = 0; p < data->points; ++p) {
            fprintf(out, "%s,%zu,%zu,%" PRId64 ",%.6g\n", data->method, cell / data->channels,
                    cell % data->channels, data->places[p],
                    (double)data->log_decay[cell * data->points + p]);
        }
    }
}

static void write_layers(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    for (size_t layer = 0; layer < data->layers; ++layer) {
        fprintf(out, "%s,%zu,%" PRId64 ",%zu", data->method, layer, data->layer_tokens[layer],
                analysis_channels(report, layer, layer + 1, class_global));
        for (int kind = class_local; kind <= class_any; ++kind) {
            fprintf(out, ",%.6g",
                    analysis_mean(report, data->receptive_field, layer, layer + 1, kind));
        }
        fputc('\n', out);
    }
}

static void write_histogram(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    (void)report;
    for (size_t i = 0; i < 2 * data->layers * data->bins; ++i) {
        const size_t bin = i % data->bins;
        fprintf(out, "%s,%zu,%s,%.6g,%.6g,%" PRId64 "\n", data->method, i / data->bins / 2,
                i / data->bins % 2 == 0 ? "local" : "global", (double)data->delta_edges[bin],
                (double)data->delta_edges[bin + 1], data->histogram[i]);
    }
}

static void write_norms(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    (void)report;
    for (size_t i = 0; i < data->layers * data->points; ++i) {
        fprintf(out, "%s,%zu,%" PRId64 ",%.6g\n", data->method, i / data->points,
                data->places[i % data->points], (double)data->delta_norm[i]);
    }
}

static void write_maps(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    (void)report;
    const size_t size = data->map_size;
    for (size_t i = 0; i < data->maps * size * size; ++i) {
        const size_t row = i / size % size;
        const size_t column = i % size;
        if (column > row) continue;
        fprintf(out, "%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%.6g\n", data->method,
                data->map_layers[i / size / size], data->map_channels[i / size / size],
                data->map_places[row], data->map_places[column], (double)data->map_values[i]);
    }
}

static void write_kept(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    (void)report;
    for (size_t i = 0; i < data->kept_count; ++i) {
        fprintf(out, "%s,%" PRId64 "\n", data->method, data->kept[i]);
    }
}

static const struct {
    const char* name;
    const char* head;
    WriteRows write;
} tables[] = {
    {"channels.csv",
     "method,layer,channel,class,log_decay,receptive_field,delta_mean,delta_skipped",
     write_channels},
    {"decay.csv", "method,layer,channel,tokens,log_decay", write_decay},
    {"layers.csv",
     "method,layer,tokens,global_channels,receptive_field_local,receptive_field_global,"
     "receptive_field",
     write_layers},
    {"delta.csv", "method,layer,class,from,to,steps", write_histogram},
    {"norms.csv", "method,layer,tokens,delta_norm", write_norms},
    {"maps.csv", "method,layer,channel,from_tokens,to_tokens,attention", write_maps},
    {"kept.csv", "method,token", write_kept},
};

static int write_table(const AnalysisReport* report, const char* path, size_t table) {
    TextFile file;
    const int code = text_file_begin(report->command, &file);
    if (code != exit_ok) return code;
    fprintf(file.out, "%s\n", tables[table].head);
    for (size_t m = 0; m < report->method_count; ++m) {
        tables[table].write(file.out, report, &report->methods[m]);
    }
    return text_file_finish(report->command, &file, path, exit_ok);
}

int analysis_write_csv(const AnalysisReport* report, const char* folder) {
    int code = folder_make(report->command, folder);
    for (size_t table = 0; table < COUNT_OF(tables) && code == exit_ok; ++table) {
        const size_t room = strlen(folder) + strlen(tables[table].name) + 2;
        char* path = allocate(room, 1);
        if (path == NULL) return report_no_memory(report->command, folder);
        snprintf(path, room, "%s/%s", folder, tables[table].name);
        code = write_table(report, path, table);
        free(path);
    }
    return code;
}
