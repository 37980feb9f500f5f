/* A model of random weights in the shape of a public one, in a temporary file while it is opened.
 */
#ifndef SIPO_CLI_PRESET_H_
#define SIPO_CLI_PRESET_H_

#include <sipo/sipo.h>

#include "args.h"
#include "conversion.h"

/* The exit code; `*model` is to be freed. */
int preset_open(const Command* command, const char* preset, const Conversion* conversion,
                sipo_model** model);

#endif /* SIPO_CLI_PRESET_H_ */
