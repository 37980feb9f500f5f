/* sipo quantize: a .sipo file with smaller weights. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "clock.h"
#include "commands.h"
#include "conversion.h"
#include "progress.h"
#include "report.h"

typedef struct {
    const char* input;
    const char* output;
    Conversion conversion;
} QuantizeArguments;

static int run(const Command* command, const QuantizeArguments* arguments) {
    Progress progress;
    progress_begin(&progress, "quantising", "bytes", args_silent(command));
    sipo_import_options* options = NULL;
    sipo_status status = sipo_import_options_create(&options);
    if (status == SIPO_OK) {
        status = conversion_set_options(&arguments->conversion, &progress, options);
    }
    if (status == SIPO_OK) status = sipo_quantize(arguments->input, arguments->output, options);
    progress_clear(&progress);
    sipo_import_options_free(options);
    if (status != SIPO_OK) return report_status(command->name, status);
    conversion_report(command, arguments->output, clock_seconds() - progress.started);
    return exit_ok;
}

int cmd_quantize(int argc, char** argv) {
    static const Choice weights[] = {{"q8", SIPO_WEIGHTS_Q8}, {"q4", SIPO_WEIGHTS_Q4}, {NULL, 0}};
    QuantizeArguments arguments = {.conversion = conversion_defaults(SIPO_WEIGHTS_Q8)};
    const Option options[] = {
        option_choice("weights", "q8|q4", &arguments.conversion.weights, weights,
                      "8 bits a weight: half the size, hardly a difference; 4 bits: a third of it"),
        conversion_store_option(&arguments.conversion),
        conversion_threads_option(&arguments.conversion),
    };
    Command command = {
        .name = "quantize",
        .usage = "IN.sipo OUT.sipo [options]",
        .about =
            "Writes a model with f32 or bf16 weights again with 8-bit or 4-bit ones. What decides\n"
            "which tokens matter stays precise: A, the convolution, norms, biases, the path of\n"
            "delta and the state. Calibration profiles go along.",
        .example = "  sipo quantize mamba.sipo mamba-q8.sipo --weights q8",
        .positionals = {{"IN.sipo", 0, &arguments.input}, {"OUT.sipo", 0, &arguments.output}},
        .positional_count = 2,
        .groups = {{"Options", options, COUNT_OF(options)}},
        .group_count = 1,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return run(&command, &arguments);
}
