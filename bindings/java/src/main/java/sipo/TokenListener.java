package sipo;

/** Gets the tokens of a generation, on the thread that generates. */
@FunctionalInterface
public interface TokenListener {
    /**
     * Called for every token.
     *
     * @param token its id; -1 after the last token, for text that was held back because a stop sequence might have
     *     begun
     * @param text what the token completes: whole code points, possibly none
     * @return false ends the generation after this token, without an exception
     */
    boolean onToken(int token, String text);
}
