#include "conversion.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "progress.h"
#include "report.h"

Conversion conversion_defaults(int64_t weights) {
    const Conversion defaults = {
        .weights = weights, .store = SIPO_STORE_ZSTD, .training_length = NOT_GIVEN};
    return defaults;
}

Option conversion_weights_option(Conversion* conversion, int64_t first, const char* help) {
    static const Choice types[] = {{"auto", SIPO_WEIGHTS_AUTO}, {"f32", SIPO_WEIGHTS_F32},
                                   {"bf16", SIPO_WEIGHTS_BF16}, {"q8", SIPO_WEIGHTS_Q8},
                                   {"q4", SIPO_WEIGHTS_Q4},     {NULL, 0}};
    const char* names = "auto|f32|bf16|q8|q4";
    const Choice* from = types;
    for (; from->value != first; ++from) names += strlen(from->name) + 1;
    return option_choice("weights", names, &conversion->weights, from, help);
}

Option conversion_store_option(Conversion* conversion) {
    static const Choice stores[] = {{"zstd", SIPO_STORE_ZSTD}, {"raw", SIPO_STORE_RAW}, {NULL, 0}};
    return option_choice("store", "zstd|raw", &conversion->store, stores,
                         "compressed, or as it is: larger, loads a little faster");
}

static sipo_status set_options(const Conversion* conversion, Progress* progress,
                               sipo_import_options* options) {
    sipo_status status = sipo_import_options_set_weights(options, (int32_t)conversion->weights);
    if (status == SIPO_OK) {
        status = sipo_import_options_set_store(options, (int32_t)conversion->store);
    }
    if (status == SIPO_OK) {
        status = sipo_import_options_set_threads(options, (int32_t)conversion->threads);
    }
    if (status == SIPO_OK && conversion->training_length != NOT_GIVEN) {
        status = sipo_import_options_set_training_length(options, conversion->training_length);
    }
    if (status == SIPO_OK) {
        status = sipo_import_options_set_tokenizer(options, conversion->tokenizer);
    }
    if (status == SIPO_OK) {
        status = sipo_import_options_set_progress(options, progress_update, progress);
    }
    return status;
}

sipo_status conversion_run(const Command* command, const char* doing, const char* units,
                           Convert convert, const Conversion* conversion) {
    Progress progress;
    progress_begin(&progress, doing, units, args_silent(command));
    sipo_import_options* options = NULL;
    sipo_status status = sipo_import_options_create(&options);
    if (status == SIPO_OK) status = set_options(conversion, &progress, options);
    if (status == SIPO_OK) status = convert(conversion->from, conversion->output, options);
    progress_clear(&progress);
    sipo_import_options_free(options);
    return status;
}

int conversion_run_and_report(const Command* command, const char* doing, Convert convert,
                              const Conversion* conversion) {
    const double started = clock_seconds();
    const sipo_status status = conversion_run(command, doing, "bytes", convert, conversion);
    if (status != SIPO_OK) return report_status(command->name, status);
    const double seconds = clock_seconds() - started;
    if (command->json) {
        Json json = {.out = stdout};
        json_begin_object(&json, NULL);
        json_string(&json, "output", conversion->output);
        json_real(&json, "seconds", seconds);
        json_end_object(&json);
    } else if (!command->quiet) {
        printf("Wrote %s in %.1f s.\n", conversion->output, seconds);
    }
    return exit_ok;
}
