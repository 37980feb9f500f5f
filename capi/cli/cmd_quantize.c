/* sipo quantize: a .sipo file with smaller weights. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "conversion.h"
#include "report.h"
#include "shared_options.h"

int cmd_quantize(int argc, char** argv) {
    Conversion conversion = conversion_defaults(SIPO_WEIGHTS_Q8);
    const Option options[] = {
        conversion_weights_option(
            &conversion, SIPO_WEIGHTS_Q8,
            "8 bits a weight: half the size, hardly a difference; 4 bits: a third of it"),
        conversion_store_option(&conversion),
        threads_option(&conversion.threads),
    };
    Command command = {
        .name = "quantize",
        .usage = "IN.sipo OUT.sipo [options]",
        .about =
            "Writes a model with f32 or bf16 weights again with 8-bit or 4-bit ones. What\n"
            "decides which tokens matter stays precise: A, the convolution, norms, biases,\n"
            "the path of delta and the state. Calibration profiles go along.",
        .example = "  sipo quantize mamba.sipo mamba-q8.sipo --weights q8",
        .positionals = {{"IN.sipo", 0, &conversion.from}, {"OUT.sipo", 0, &conversion.output}},
        .positional_count = 2,
        .groups = {{"Options", options, COUNT_OF(options)}},
        .group_count = 1,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return conversion_run_and_report(&command, "quantising", sipo_quantize, &conversion);
}
