/* sipo import: a Hugging Face directory to a .sipo file. */
#include <sipo/sipo.h>
#include <stdio.h>

#include "args.h"
#include "clock.h"
#include "commands.h"
#include "json.h"
#include "progress.h"
#include "report.h"

typedef struct {
    const char* directory;
    const char* output;
    int64_t weights;
    int64_t store;
    int64_t training_length;
    int64_t threads;
} ImportArguments;

static sipo_status set_options(const ImportArguments* arguments, Progress* progress,
                               sipo_import_options* options) {
    sipo_status status = sipo_import_options_set_weights(options, (int32_t)arguments->weights);
    if (status == SIPO_OK) {
        status = sipo_import_options_set_store(options, (int32_t)arguments->store);
    }
    if (status == SIPO_OK) {
        status = sipo_import_options_set_threads(options, (int32_t)arguments->threads);
    }
    if (status == SIPO_OK && arguments->training_length != NOT_GIVEN) {
        status = sipo_import_options_set_training_length(options, arguments->training_length);
    }
    if (status == SIPO_OK) {
        status = sipo_import_options_set_progress(options, progress_update, progress);
    }
    return status;
}

static void print_result(const Command* command, const ImportArguments* arguments, double seconds) {
    if (command->json) {
        Json json = {.out = stdout};
        json_begin_object(&json, NULL);
        json_string(&json, "output", arguments->output);
        json_real(&json, "seconds", seconds);
        json_end_object(&json);
    } else if (!command->quiet) {
        printf("Wrote %s in %.1f s.\n", arguments->output, seconds);
    }
}

static int run(const Command* command, const ImportArguments* arguments) {
    Progress progress;
    progress_begin(&progress, "importing", "bytes", args_silent(command));
    sipo_import_options* options = NULL;
    sipo_status status = sipo_import_options_create(&options);
    if (status == SIPO_OK) status = set_options(arguments, &progress, options);
    if (status == SIPO_OK) status = sipo_import(arguments->directory, arguments->output, options);
    progress_clear(&progress);
    sipo_import_options_free(options);
    if (status != SIPO_OK) return report_status(command->name, status);
    print_result(command, arguments, clock_seconds() - progress.started);
    return exit_ok;
}

int cmd_import(int argc, char** argv) {
    static const Choice weights[] = {{"auto", SIPO_WEIGHTS_AUTO},
                                     {"f32", SIPO_WEIGHTS_F32},
                                     {"bf16", SIPO_WEIGHTS_BF16},
                                     {NULL, 0}};
    static const Choice stores[] = {{"zstd", SIPO_STORE_ZSTD}, {"raw", SIPO_STORE_RAW}, {NULL, 0}};
    ImportArguments arguments = {
        .weights = SIPO_WEIGHTS_AUTO, .store = SIPO_STORE_ZSTD, .training_length = NOT_GIVEN};
    const Option options[] = {
        option_choice("weights", "auto|f32|bf16", &arguments.weights, weights,
                      "how matrices are stored and multiplied; auto: f32 from an f32 checkpoint, "
                      "else bf16"),
        option_choice("store", "zstd|raw", &arguments.store, stores,
                      "compressed, or as it is: larger, loads a little faster"),
        option_integer("training-length", &arguments.training_length, 1, INT32_MAX,
                       "tokens that the model was trained with, where config.json does not say it "
                       "(default 2048)"),
        option_integer("threads", &arguments.threads, 0, 256, "threads; 0: all processors"),
    };
    Command command = {
        .name = "import",
        .usage = "DIR OUT.sipo [options]",
        .about =
            "Converts a Hugging Face directory (config.json, model.safetensors or its shards,\n"
            "tokenizer.json; Mamba-1 or Mamba-2) into one .sipo file. The file appears only\n"
            "when it is complete.",
        .example = "  sipo import ./mamba-1.4b-hf mamba.sipo --weights bf16",
        .positionals = {{"DIR", 0, &arguments.directory}, {"OUT.sipo", 0, &arguments.output}},
        .positional_count = 2,
        .groups = {{"Options", options, COUNT_OF(options)}},
        .group_count = 1,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return run(&command, &arguments);
}
