/* Opening a model. */
#ifndef SIPO_CLI_LOADING_H_
#define SIPO_CLI_LOADING_H_

#include <sipo/sipo.h>

#include "args.h"

/* Opens the model at `path` with a progress bar; the exit code. `backend` may be NULL: the library
 * chooses; `threads` 0: all processors. */
int load_model(const Command* command, const char* path, const char* backend, int64_t threads,
               sipo_model** model);

/* A number that every model has (SIPO_MODEL_*). */
int64_t model_integer(const sipo_model* model, int32_t property);

#endif /* SIPO_CLI_LOADING_H_ */
