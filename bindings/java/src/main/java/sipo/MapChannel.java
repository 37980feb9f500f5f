package sipo;

/**
 * A channel whose attention {@link Model#analyze} maps.
 *
 * @param layer 0 to {@link Model#layers} - 1
 * @param channel of that layer, 0 to {@link Model#deltaChannels} - 1
 */
public record MapChannel(int layer, int channel) {}
