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
    static CacheStatistics of(Facts facts) {
        return new CacheStatistics(
                facts.count(), facts.count(), facts.count(), facts.count(), facts.count(), facts.count(),
                facts.count(), facts.count(), facts.count(), facts.count(), facts.count());
    }
}
