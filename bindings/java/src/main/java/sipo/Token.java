package sipo;

/**
 * A generated token.
 *
 * @param id its id
 * @param text what the token completes: whole code points, possibly none
 */
public record Token(int id, String text) {}
