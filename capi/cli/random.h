/* SplitMix64 (Steele, Lea and Flood 2014): the same numbers on every platform. */
#ifndef SIPO_CLI_RANDOM_H_
#define SIPO_CLI_RANDOM_H_

#include <stdint.h>

typedef struct {
    uint64_t state;
} Random;

uint64_t random_next(Random* random);

/* Uniform in 0 to bound - 1. */
uint64_t random_below(Random* random, uint64_t bound);

/* Makes the stream depend on `value` too. */
void random_mix(Random* random, uint64_t value);

#endif /* SIPO_CLI_RANDOM_H_ */
