/* A model of random weights in the shape of a public one. */
#ifndef SIPO_CLI_PRESET_H_
#define SIPO_CLI_PRESET_H_

#include <sipo/sipo.h>

#include "args.h"
#include "conversion.h"

/* Writes it to the file `save`, or to a temporary one when that is NULL, and opens it; the exit code.
 * `*model` is to be freed. `backend` as load_model() takes it. */
int preset_open(const Command* command, const char* preset, const Conversion* conversion,
                const char* save, const char* backend, sipo_model** model);

#endif /* SIPO_CLI_PRESET_H_ */
