/* sipo import: a checkpoint to a .sipo file. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "conversion.h"
#include "report.h"
#include "shared_options.h"

int cmd_import(int argc, char** argv) {
    Conversion conversion = conversion_defaults(SIPO_WEIGHTS_AUTO);
    const Option options[] = {
        conversion_weights_option(&conversion, SIPO_WEIGHTS_AUTO,
                                  "how matrices are stored and multiplied; auto: f32 from an f32 "
                                  "checkpoint, else bf16"),
        option_text("tokenizer", "FILE", &conversion.tokenizer,
                    "a tokenizer.json to take instead of the checkpoint's"),
        conversion_store_option(&conversion),
        option_default(option_integer("training-length", &conversion.training_length, 1, INT32_MAX,
                                      "tokens that the model was trained with"),
                       "config.json's \"training_length\", else 2048"),
        threads_option(&conversion.threads),
    };
    Command command = {
        .name = "import",
        .usage = "CHECKPOINT OUT.sipo [options]",
        .about =
            "Converts a checkpoint of Mamba-1, Mamba-2 or FalconMamba into one .sipo file,\n"
            "which appears only when it is complete. CHECKPOINT is\n"
            "  a Hugging Face directory: config.json, tokenizer.json, model.safetensors;\n"
            "  a directory of the original mamba_ssm: config.json, pytorch_model.bin, of\n"
            "  which nothing is executed, and a tokenizer.json beside them or by --tokenizer;\n"
            "  a GGUF file of llama.cpp's mamba and mamba2: F32, F16, BF16, Q8_0, Q4_K, Q6_K.",
        .example = "  sipo import ./mamba-1.4b-hf mamba.sipo --weights bf16",
        .positionals = {{"CHECKPOINT", 0, &conversion.from}, {"OUT.sipo", 0, &conversion.output}},
        .positional_count = 2,
        .groups = {{"Options", options, COUNT_OF(options)}},
        .group_count = 1,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    return conversion_run_and_report(&command, "importing", sipo_import, &conversion);
}
