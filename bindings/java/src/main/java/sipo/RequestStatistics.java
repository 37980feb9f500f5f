package sipo;

/**
 * Facts about a {@link Request} so far.
 *
 * @param promptTokens of the prompt
 * @param promptDone of those, reused ones included
 * @param reusedTokens of those, from a cache
 * @param queuedSeconds in the queue
 * @param firstTokenSeconds from submitting to the first token
 * @param generatedTokens so far
 * @param generationSeconds from the first token to the last
 * @param longestWaitSeconds between two tokens
 * @param finish why it ended, {@link Finish#NONE} while it has not
 */
public record RequestStatistics(
        long promptTokens,
        long promptDone,
        long reusedTokens,
        double queuedSeconds,
        double firstTokenSeconds,
        long generatedTokens,
        double generationSeconds,
        double longestWaitSeconds,
        Finish finish) {
    /** In the order of sipo.i. */
    static RequestStatistics of(double[] v) {
        return new RequestStatistics(
                (long) v[0], (long) v[1], (long) v[2], v[3], v[4], (long) v[5], v[6], v[7], Finish.of((int) v[8]));
    }
}
