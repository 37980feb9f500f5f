package sipo;

/**
 * Facts about a {@link Cache} since it was made.
 *
 * @param prompts that were read with its help
 * @param promptsReusing those of them that found something
 * @param tokensReused tokens that were not read again
 * @param tokensComputed tokens that were read
 * @param tokensInexact tokens read before, but not exact for the prompt, so read again
 * @param entries in memory now
 * @param bytes of those
 * @param directoryBytes in the directory now, of all processes and models
 * @param evictions entries that made room for others
 * @param damaged entries found damaged and removed
 * @param writeFailures entries that could not be written
 */
public record CacheStatistics(
        long prompts,
        long promptsReusing,
        long tokensReused,
        long tokensComputed,
        long tokensInexact,
        long entries,
        long bytes,
        long directoryBytes,
        long evictions,
        long damaged,
        long writeFailures) {
    /** In the order of sipo.i. */
    static CacheStatistics of(double[] v) {
        return new CacheStatistics(
                (long) v[0],
                (long) v[1],
                (long) v[2],
                (long) v[3],
                (long) v[4],
                (long) v[5],
                (long) v[6],
                (long) v[7],
                (long) v[8],
                (long) v[9],
                (long) v[10]);
    }
}
