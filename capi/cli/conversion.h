/* What the commands that convert a model have in common: their options and their report. */
#ifndef SIPO_CLI_CONVERSION_H_
#define SIPO_CLI_CONVERSION_H_

#include <sipo/sipo.h>

#include "args.h"

typedef struct {
    const char* from; /* a directory, a file or a preset */
    const char* output;
    int64_t weights;         /* SIPO_WEIGHTS_* */
    int64_t store;           /* SIPO_STORE_* */
    int64_t training_length; /* NOT_GIVEN: the library's default */
    const char* tokenizer;   /* NULL: the checkpoint's own */
    int64_t threads;
} Conversion;

/* sipo_import(), sipo_export(), sipo_quantize() or sipo_write_preset(). */
typedef sipo_status (*Convert)(const char* from, const char* output,
                               const sipo_import_options* options);

Conversion conversion_defaults(int64_t weights);
/* --weights takes the types from `first` (SIPO_WEIGHTS_*) on, in the order auto, f32, bf16, q8, q4. */
Option conversion_weights_option(Conversion* conversion, int64_t first, const char* help);
Option conversion_store_option(Conversion* conversion);

/* Converts with a progress bar named `doing` that counts `units`. */
sipo_status conversion_run(const Command* command, const char* doing, const char* units,
                           Convert convert, const Conversion* conversion);

/* The same, and says what was written; the exit code. */
int conversion_run_and_report(const Command* command, const char* doing, Convert convert,
                              const Conversion* conversion);

#endif /* SIPO_CLI_CONVERSION_H_ */
