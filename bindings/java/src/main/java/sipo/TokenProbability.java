package sipo;

/**
 * A token and how likely it was at its place.
 *
 * @param id its id
 * @param logProbability in nats
 */
public record TokenProbability(int id, float logProbability) {}
