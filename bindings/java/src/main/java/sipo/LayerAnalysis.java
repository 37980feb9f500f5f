package sipo;

/**
 * What the channels of one layer remember; see {@link Analysis}. Delta is after softplus.
 *
 * @param tokens that the layer's scan visits
 * @param global [channels]: whether the cumulative decay over the training length exceeds the session's global-channel
 *     threshold
 * @param logDecay [channels][points]: ln of the cumulative decay through the tokens before each place, with delta as
 *     the method leaves it
 * @param receptiveField [channels]: mean distance in tokens that the last token's hidden attention looks back, with
 *     delta as the method leaves it
 * @param deltaMean [channels]: before the method
 * @param deltaSkipped [channels]: share of the tokens whose delta the method sets to 0
 * @param deltaNorm [points]: norm of delta over the channels, DeciMamba's score, before the method; mean over the
 *     tokens from the place before to each place, 0 where none is left
 * @param localSteps [bins]: histogram of the delta of local channels
 * @param globalSteps [bins]: of global channels
 */
public record LayerAnalysis(
        long tokens,
        boolean[] global,
        float[][] logDecay,
        float[] receptiveField,
        float[] deltaMean,
        float[] deltaSkipped,
        float[] deltaNorm,
        long[] localSteps,
        long[] globalSteps) {}
