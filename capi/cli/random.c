/* SplitMix64. */
#include "random.h"

uint64_t random_next(Random* random) {
    random->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t random_below(Random* random, uint64_t bound) {
    /* The top 2^64 mod bound values would favour small results: draw again. */
    const uint64_t excess = (UINT64_MAX % bound + 1) % bound;
    uint64_t value = random_next(random);
    while (value > UINT64_MAX - excess) value = random_next(random);
    return value % bound;
}

void random_mix(Random* random, uint64_t value) { random->state = random_next(random) ^ value; }
