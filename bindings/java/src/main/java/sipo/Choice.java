package sipo;

/**
 * What {@link Session#choose} chose.
 *
 * @param index number of the text, which the session has read
 * @param logProbabilities of each text as a whole, in nats
 */
public record Choice(int index, float[] logProbabilities) {}
