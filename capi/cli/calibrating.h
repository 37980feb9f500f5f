/* Calibrations made in passing, by commands that compare several. */
#ifndef SIPO_CLI_CALIBRATING_H_
#define SIPO_CLI_CALIBRATING_H_

#include <sipo/sipo.h>

#include "args.h"
#include "text.h"

enum { default_sequences = 10 };

/* Sequences of one length to measure with. */
typedef struct {
    Tokens tokens; /* [sequences, length] */
    size_t sequences;
    size_t length;
} Sample;

/* Moves `sequences` sequences that are spread evenly over the tokens to their front; the exit code. */
int spread_sequences(const char* command, const char* name, Sample* sample);

/* Looks at a name before the work rather than after it; the exit code. */
int check_profile_name(const char* command, const char* name);

/* Calibrates with a progress bar; the exit code. */
int calibrate_sample(const Command* command, const sipo_model* model, const Sample* sample,
                     double clamp, int64_t threads, sipo_calibration** calibration);

/* The layers by mean cumulative decay over their channels, highest first. layers [layers]; the exit code. */
int layers_by_decay(const char* command, const sipo_model* model,
                    const sipo_calibration* calibration, int32_t* layers);

/* "0,3,5" of the first `count` of these layers, ascending; the exit code. Free *list. */
int layer_list(const char* command, const int32_t* layers, size_t count, char** list);

#endif /* SIPO_CLI_CALIBRATING_H_ */
