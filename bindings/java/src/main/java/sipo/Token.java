package sipo;

/**
 * A generated token.
 *
 * @param id its id; -1 after the last token, for text that was held back because a stop sequence might have begun
 * @param text what the token completes: whole code points, possibly none
 */
public record Token(int id, String text) {}
