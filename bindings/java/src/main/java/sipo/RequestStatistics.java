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
    static RequestStatistics of(Facts facts) {
        return new RequestStatistics(
                facts.count(), facts.count(), facts.count(), facts.seconds(), facts.seconds(), facts.count(),
                facts.seconds(), facts.seconds(), facts.finish());
    }
}
