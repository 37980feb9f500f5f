/* Opening a model. */
#include "loading.h"

#include "progress.h"
#include "report.h"

int load_model(const Command* command, const char* path, const char* backend, int64_t threads,
               sipo_model** model) {
    Progress progress;
    sipo_model_options* options = NULL;
    sipo_status status = sipo_model_options_create(&options);
    if (status == SIPO_OK) {
        status = sipo_model_options_set_threads(options, (int32_t)threads);
    }
    if (status == SIPO_OK && backend != NULL) {
        status = sipo_model_options_set_backend(options, backend);
    }
    progress_begin(&progress, "loading", "bytes", args_silent(command));
    if (status == SIPO_OK) {
        status = sipo_model_options_set_progress(options, progress_update, &progress);
    }
    if (status == SIPO_OK) status = sipo_model_open(path, options, model);
    progress_clear(&progress);
    sipo_model_options_free(options);
    return report_status(command->name, status);
}

int64_t model_integer(const sipo_model* model, int32_t property) {
    int64_t value = 0;
    /* Fails only for a property that the library does not know, and then 0 says so. */
    (void)sipo_model_get_integer(model, property, &value);
    return value;
}
