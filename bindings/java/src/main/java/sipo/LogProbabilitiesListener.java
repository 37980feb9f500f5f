package sipo;

import java.util.List;

/** Gets the log probabilities of a generation, on the thread that generates, before the token itself is told. */
@FunctionalInterface
public interface LogProbabilitiesListener {
    /**
     * Called for every token.
     *
     * @param token the token that was taken
     * @param likeliest the likeliest tokens of its place, likeliest first
     * @return false ends the generation with {@link Status#CANCELLED}
     */
    boolean onToken(TokenProbability token, List<TokenProbability> likeliest);
}
