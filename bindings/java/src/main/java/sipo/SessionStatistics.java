package sipo;

/**
 * Facts about the last prompt and the last generation of a {@link Session}.
 *
 * @param promptTokens of the prompt
 * @param reusedTokens of those, from a cache
 * @param prefillSeconds for the prompt
 * @param firstTokenSeconds from the start of the prompt to the first token
 * @param generatedTokens of the generation
 * @param generationSeconds for those
 * @param finish why it ended
 */
public record SessionStatistics(
        long promptTokens,
        long reusedTokens,
        double prefillSeconds,
        double firstTokenSeconds,
        long generatedTokens,
        double generationSeconds,
        Finish finish) {
    static SessionStatistics of(Facts facts) {
        return new SessionStatistics(
                facts.count(), facts.count(), facts.seconds(), facts.seconds(), facts.count(), facts.seconds(),
                facts.finish());
    }
}
