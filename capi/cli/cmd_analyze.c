/* sipo analyze: what the channels of a model remember of a text, by context method. */
#include <inttypes.h>
#include <math.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis_data.h"
#include "analysis_report.h"
#include "args.h"
#include "clock.h"
#include "commands.h"
#include "loading.h"
#include "progress.h"
#include "report.h"
#include "session_flags.h"
#include "shared_options.h"
#include "table.h"
#include "text.h"

/* What is said when no threshold is given; the library's default. */
static const double usual_threshold = 1e-2;

typedef struct {
    const char* model;
    const char* text;
    const char* methods_text;
    const char* csv;
    const char* html;
    int64_t length;
    int64_t offset;
    int64_t points;
    int64_t map_size;
    int64_t memory;
    IntegerList methods;
    SessionFlags session;
} AnalyzeArguments;

static sipo_status set_options(const AnalyzeArguments* a, Progress* progress,
                               sipo_analysis_options* options) {
    sipo_status status = sipo_analysis_options_set_points(options, a->points);
    if (status == SIPO_OK) status = sipo_analysis_options_set_map_size(options, a->map_size);
    if (status == SIPO_OK) {
        status = sipo_analysis_options_set_memory_limit(options, a->memory << 20);
    }
    if (status == SIPO_OK) {
        status = sipo_analysis_options_set_progress(options, progress_update, progress);
    }
    return status;
}

static int measure(const Command* command, const AnalyzeArguments* a, const sipo_model* model,
                   int64_t method, const int32_t* ids, size_t count, Progress* progress,
                   AnalysisData* data) {
    sipo_session_options* session = NULL;
    sipo_analysis_options* options = NULL;
    sipo_analysis* analysis = NULL;
    const double start = clock_seconds();
    int code = session_options_open(command, &a->session, method, model, NULL, &session);
    if (code == exit_ok) {
        code = report_status(command->name, sipo_analysis_options_create(&options));
    }
    if (code == exit_ok) {
        code = report_status(command->name, set_options(a, progress, options));
    }
    if (code == exit_ok) {
        code = report_status(command->name, sipo_analyze(session, ids, count, options, &analysis));
    }
    if (code == exit_ok) code = analysis_data_take(command->name, analysis, data);
    data->method = method_name(method);
    data->seconds = clock_seconds() - start;
    sipo_analysis_free(analysis);
    sipo_analysis_options_free(options);
    sipo_session_options_free(session);
    return code;
}

static int measure_all(const Command* command, const AnalyzeArguments* a, const sipo_model* model,
                       const Tokens* tokens, AnalysisData* data) {
    const size_t count = (size_t)a->length;
    const int64_t layers = model_integer(model, SIPO_MODEL_LAYERS);
    Progress progress;
    progress_begin(&progress, "analysing", "token layers", args_silent(command));
    progress.whole = (uint64_t)a->length * (uint64_t)layers * a->methods.count;
    int code = exit_ok;
    for (size_t i = 0; i < a->methods.count && code == exit_ok; ++i) {
        code = measure(command, a, model, a->methods.items[i], tokens->ids + a->offset, count,
                       &progress, &data[i]);
        progress.before += (uint64_t)(a->length * layers);
    }
    progress_clear(&progress);
    return code;
}

/* A row a layer; each method has its receptive fields, of all channels and of the global ones. */
static int print_table(const AnalysisReport* report) {
    const AnalysisData* first = &report->methods[0];
    Table table = {.columns = 2 + 3 * report->method_count};
    table_cell(&table, "layer");
    table_cell(&table, "global");
    for (size_t m = 0; m < report->method_count; ++m) {
        table_cell(&table, "%s: tokens", report->methods[m].method);
        table_cell(&table, "reach");
        table_cell(&table, "global reach");
    }
    for (size_t layer = 0; layer <= first->layers; ++layer) {
        const int all = layer == first->layers;
        const size_t from = all ? 0 : layer;
        const size_t end = all ? first->layers : layer + 1;
        const size_t global = analysis_channels(report, from, end, class_global);
        all ? table_cell(&table, "all") : table_cell(&table, "%zu", layer);
        table_cell(&table, "%zu/%zu", global, (end - from) * first->channels);
        for (size_t m = 0; m < report->method_count; ++m) {
            const AnalysisData* data = &report->methods[m];
            table_cell(&table, "%" PRId64, data->layer_tokens[end - 1]);
            table_cell(&table, "%.1f",
                       analysis_mean(report, data->receptive_field, from, end, class_any));
            if (global == 0) {
                table_cell(&table, "-");
                continue;
            }
            table_cell(&table, "%.1f",
                       analysis_mean(report, data->receptive_field, from, end, class_global));
        }
    }
    return table_finish(&table, report->command, stdout);
}

static int write_results(const Command* command, const AnalyzeArguments* a,
                         const AnalysisReport* report) {
    int code = exit_ok;
    if (a->csv != NULL) code = analysis_write_csv(report, a->csv);
    if (code == exit_ok && a->html != NULL) code = analysis_write_html(report, a->html);
    if (code != exit_ok) return code;
    if (command->json) {
        analysis_print_json(report);
        return exit_ok;
    }
    if (!command->quiet) {
        printf("Mean distance in tokens that channels look back, of %" PRId64
               " tokens; a global channel keeps more than\n%g over the training length of %" PRId64
               " tokens.\n\n",
               report->tokens, report->threshold, report->training_length);
    }
    return print_table(report);
}

static int check_length(const Command* command, AnalyzeArguments* a, const sipo_model* model,
                        const Tokens* tokens) {
    if (a->length == NOT_GIVEN) a->length = 4 * model_integer(model, SIPO_MODEL_TRAINING_LENGTH);
    if (tokens->count >= (uint64_t)a->offset + (uint64_t)a->length) return exit_ok;
    return report_failure(command->name,
                          "%s has %zu tokens, fewer than --offset %" PRId64 " and --length %" PRId64
                          " need",
                          a->text, tokens->count, a->offset, a->length);
}

static int run(const Command* command, AnalyzeArguments* a) {
    sipo_model* model = NULL;
    Tokens tokens = {NULL, 0};
    AnalysisData data[method_count];
    char family[16] = "";
    size_t family_length = 0;
    memset(data, 0, sizeof data);
    int code = load_model(command, a->model, a->session.backend, a->session.threads, &model);
    if (code == exit_ok) code = tokens_from_text_file(command->name, model, a->text, &tokens);
    if (code == exit_ok) code = check_length(command, a, model, &tokens);
    if (code == exit_ok) code = session_check(command, &a->session, &a->methods, model);
    if (code == exit_ok) code = measure_all(command, a, model, &tokens, data);
    if (code == exit_ok) {
        code = report_status(command->name, sipo_model_get_text(model, SIPO_MODEL_FAMILY, family,
                                                                sizeof family - 1, &family_length));
    }
    if (code == exit_ok) {
        const double threshold = a->session.global_threshold;
        const AnalysisReport report = {
            .command = command->name,
            .model = a->model,
            .text = a->text,
            .family = family,
            .tokens = a->length,
            .training_length = model_integer(model, SIPO_MODEL_TRAINING_LENGTH),
            .threshold = isnan(threshold) ? usual_threshold : threshold,
            .methods = data,
            .method_count = a->methods.count,
        };
        code = write_results(command, a, &report);
    }
    for (size_t i = 0; i < method_count; ++i) analysis_data_free(&data[i]);
    tokens_free(&tokens);
    sipo_model_free(model);
    return code;
}

static int check_arguments(const char* command, AnalyzeArguments* a) {
    if (a->text == NULL) return report_usage(command, "--text FILE is missing");
    const int code = parse_methods(command, a->methods_text, &a->session, &a->methods);
    if (code == exit_ok && a->methods.count > method_count) {
        return report_usage(command, "--methods takes at most %d methods", (int)method_count);
    }
    return code;
}

int cmd_analyze(int argc, char** argv) {
    AnalyzeArguments a = {.length = NOT_GIVEN, .points = 64, .map_size = 64, .memory = 4096};
    const Option options[] = {
        text_option(&a.text, "text to read"),
        option_default(length_option(&a.length, 1 << 28, "tokens of it"),
                       "four times the training length"),
        option_integer("offset", &a.offset, 0, 1 << 28, "tokens to skip before them"),
        methods_option(&a.methods_text),
        option_integer("points", &a.points, 1, 4096, "places that curves are told for"),
        option_integer("map-size", &a.map_size, 0, 256,
                       "rows and columns of the attention maps; 0: none"),
        option_integer("memory", &a.memory, 0, INT64_C(1) << 40,
                       "most MiB that an analysis may take; 0: no limit"),
        option_text("csv", "DIR", &a.csv, "also write every number, in files in this folder"),
        option_text("html", "FILE", &a.html, "also write a report with pictures"),
    };
    Command command = {
        .name = "analyze",
        .usage = "MODEL --text FILE [options]",
        .about =
            "Measures what the channels of a model remember of a text: how fast they forget,\n"
            "how far back they look (effective receptive field: Mamba mean distance), their\n"
            "hidden attention, the distribution of their steps, and which tokens decimamba\n"
            "keeps. The report is one file that needs no network.",
        .example =
            "  sipo analyze mamba.sipo --text book.txt --length 16384 \\\n"
            "      --methods none,decimamba,longmamba --html report.html",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    code = check_arguments(command.name, &a);
    return code == exit_ok ? run(&command, &a) : code;
}
