/* Time for rates. */
#ifndef SIPO_CLI_CLOCK_H_
#define SIPO_CLI_CLOCK_H_

#include <time.h>

/* Seconds on a clock that never goes back. */
static inline double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Items a second; 0 when no time has passed. */
static inline double clock_rate(double items, double seconds) {
    return seconds > 0 ? items / seconds : 0;
}

#endif /* SIPO_CLI_CLOCK_H_ */
