package sipo;

/**
 * The hidden attention of one channel (arXiv 2403.01590).
 *
 * @param channel whose it is
 * @param attention [size][size]: row r is that of the last token before {@link Analysis#mapPlaces}[r], summed over the
 *     tokens from the place before to each place
 */
public record AttentionMap(MapChannel channel, float[][] attention) {}
