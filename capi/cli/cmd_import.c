/* sipo import: a Hugging Face directory to a .sipo file. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "clock.h"
#include "commands.h"
#include "conversion.h"
#include "progress.h"
#include "report.h"

typedef struct {
    const char* directory;
    const char* output;
    Conversion conversion;
} ImportArguments;

static int run(const Command* command, const ImportArguments* arguments) {
    Progress progress;
    progress_begin(&progress, "importing", "bytes", args_silent(command));
    sipo_import_options* options = NULL;
    sipo_status status = sipo_import_options_create(&options);
    if (status == SIPO_OK) {
        status = conversion_set_options(&arguments->conversion, &progress, options);
    }
    if (status == SIPO_OK) status = sipo_import(arguments->directory, arguments->output, options);
    progress_clear(&progress);
    sipo_import_options_free(options);
    if (status != SIPO_OK) return report_status(command->name, status);
    conversion_report(command, arguments->output, clock_seconds() - progress.started);
    return exit_ok;
}

int cmd_import(int argc, char** argv) {
    static const Choice weights[] = {{"auto", SIPO_WEIGHTS_AUTO}, {"f32", SIPO_WEIGHTS_F32},
                                     {"bf16", SIPO_WEIGHTS_BF16}, {"q8", SIPO_WEIGHTS_Q8},
                                     {"q4", SIPO_WEIGHTS_Q4},     {NULL, 0}};
    ImportArguments arguments = {.conversion = conversion_defaults(SIPO_WEIGHTS_AUTO)};
    Conversion* conversion = &arguments.conversion;
    const Option options[] = {
        option_choice("weights", "auto|f32|bf16|q8|q4", &conversion->weights, weights,
                      "how matrices are stored and multiplied; auto: f32 from an f32 checkpoint, "
                      "else bf16"),
        conversion_store_option(conversion),
        option_integer("training-length", &conversion->training_length, 1, INT32_MAX,
                       "tokens that the model was trained with (default config.json's "
                       "\"training_length\", else 2048)"),
        conversion_threads_option(conversion),
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
