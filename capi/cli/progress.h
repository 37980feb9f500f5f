/* A progress bar on stderr: percent, rate and remaining time of long work, at most ten times a
 * second, and gone when the work ends. */
#ifndef SIPO_CLI_PROGRESS_H_
#define SIPO_CLI_PROGRESS_H_

#include <stdint.h>

typedef struct {
    const char* label;
    const char* unit; /* what is counted: "tokens", "bytes", … */
    int enabled;
    int drawn;
    double started;
    double last_drawn;
    uint64_t before; /* work done before the call that reports now … */
    uint64_t whole;  /* … of this much; 0 when that call is all the work */
} Progress;

/* Shows nothing when `silent`, or when stderr is not a terminal. */
void progress_begin(Progress* progress, const char* label, const char* unit, int silent);

/* A sipo_progress_fn whose user pointer is a Progress; cancels on Ctrl-C. */
int progress_update(void* user, uint64_t done, uint64_t total);

/* Wipes the bar; it comes back with the next update. */
void progress_clear(Progress* progress);

#endif /* SIPO_CLI_PROGRESS_H_ */
