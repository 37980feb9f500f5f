/* Options that several commands have, each declared here once. `help` says what one means to a command. */
#ifndef SIPO_CLI_SHARED_OPTIONS_H_
#define SIPO_CLI_SHARED_OPTIONS_H_

#include "args.h"

/* What is read. */
Option text_option(const char** path, const char* help);
Option ids_option(const char** path);
Option noise_option(const char** path);

/* What is asked of it; `lengths` and `depths` are lists. */
Option lengths_option(const char** lengths, const char* help);
Option depths_option(const char** depths, const char* help);
Option length_option(int64_t* tokens, int64_t most, const char* help);
Option samples_option(int64_t* samples, const char* help);
Option windows_option(int64_t* windows);
Option scored_option(int64_t* tokens);
Option max_tokens_option(int64_t* tokens, int64_t most, const char* help);
Option seed_option(int64_t* seed, const char* help);

/* The context method and its calibration. */
Option global_threshold_option(double* threshold);
Option profile_option(const char** name, const char* help);
Option sequences_option(int64_t* sequences);
Option calibrate_with_option(const char** path);

/* Where it is computed. */
Option backend_option(const char** backend);
Option threads_option(int64_t* threads);

#endif /* SIPO_CLI_SHARED_OPTIONS_H_ */
