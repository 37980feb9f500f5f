/* What the commands that write a .sipo file have in common: their options and their report. */
#ifndef SIPO_CLI_CONVERSION_H_
#define SIPO_CLI_CONVERSION_H_

#include <sipo/sipo.h>

#include "args.h"
#include "progress.h"

typedef struct {
    int64_t weights;         /* SIPO_WEIGHTS_* */
    int64_t store;           /* SIPO_STORE_* */
    int64_t training_length; /* NOT_GIVEN: the library's default */
    int64_t threads;
} Conversion;

Conversion conversion_defaults(int64_t weights);
Option conversion_store_option(Conversion* conversion);
Option conversion_threads_option(Conversion* conversion);

sipo_status conversion_set_options(const Conversion* conversion, Progress* progress,
                                   sipo_import_options* options);

void conversion_report(const Command* command, const char* output, double seconds);

#endif /* SIPO_CLI_CONVERSION_H_ */
