/* sipo export: a .sipo file to a Hugging Face directory. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "conversion.h"
#include "report.h"
#include "shared_options.h"

int cmd_export(int argc, char** argv) {
    Conversion conversion = conversion_defaults(SIPO_WEIGHTS_AUTO);
    const Option options[] = {threads_option(&conversion.threads)};
    Command command = {
        .name = "export",
        .usage = "MODEL.sipo DIR [options]",
        .about =
            "Writes a model with f32 or bf16 weights as a Hugging Face directory that\n"
            "transformers reads: model.safetensors, tokenizer.json, config.json. DIR is made\n"
            "or must be empty. Importing it gives the same .sipo file, without calibration\n"
            "profiles.",
        .example = "  sipo export mamba.sipo ./mamba-hf",
        .positionals = {{"MODEL.sipo", 0, &conversion.from}, {"DIR", 0, &conversion.output}},
        .positional_count = 2,
        .groups = {{"Options", options, COUNT_OF(options)}},
        .group_count = 1,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return conversion_run_and_report(&command, "exporting", sipo_export, &conversion);
}
