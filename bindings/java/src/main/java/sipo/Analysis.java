package sipo;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What the channels of a model remember of a prompt, in the measures of the papers: cumulative decay and classes of
 * channels as in LongMamba (arXiv 2504.16053), effective receptive field as in DeciMamba (arXiv 2406.14528). Made by
 * {@link Model#analyze}; plain data, with nothing to close.
 *
 * @param places [points], ascending: numbers of tokens of the prompt where curves are told
 * @param deltaEdges [bins + 1], ascending: the borders of the histograms' bins
 * @param layers of the model, in order
 * @param mapPlaces [size], ascending: numbers of tokens where the stretches of a map end
 * @param maps of the channels that were asked for
 * @param keptTokens as {@link Session#keptTokens}
 */
public record Analysis(
        long[] places,
        float[] deltaEdges,
        List<LayerAnalysis> layers,
        long[] mapPlaces,
        List<AttentionMap> maps,
        long[] keptTokens) {
    /** A copy of a native one. */
    static Analysis of(long measured) {
        return new Analysis(
                Native.Analysis_places(measured),
                Native.Analysis_delta_edges(measured),
                layers(measured),
                Native.Analysis_map_places(measured),
                maps(measured),
                Native.Analysis_kept_tokens(measured));
    }

    private static List<LayerAnalysis> layers(long measured) {
        long[] tokens = Native.Analysis_layer_tokens(measured);
        long[] classes = Native.Analysis_classes(measured);
        float[] logDecay = Native.Analysis_log_decay(measured);
        float[] receptiveField = Native.Analysis_receptive_field(measured);
        float[] deltaMean = Native.Analysis_delta_mean(measured);
        float[] deltaSkipped = Native.Analysis_delta_skipped(measured);
        float[] deltaNorm = Native.Analysis_delta_norm(measured);
        long[] steps = Native.Analysis_delta_histogram(measured);
        int count = tokens.length;
        List<LayerAnalysis> layers = new ArrayList<>(count);
        for (int i = 0; i < count; ++i) {
            layers.add(
                    new LayerAnalysis(
                            tokens[i],
                            flags(part(classes, i, count)),
                            rows(part(logDecay, i, count), classes.length / count),
                            part(receptiveField, i, count),
                            part(deltaMean, i, count),
                            part(deltaSkipped, i, count),
                            part(deltaNorm, i, count),
                            part(steps, 2 * i, 2 * count),
                            part(steps, 2 * i + 1, 2 * count)));
        }
        return List.copyOf(layers);
    }

    private static List<AttentionMap> maps(long measured) {
        long[] layers = Native.Analysis_map_layers(measured);
        long[] channels = Native.Analysis_map_channels(measured);
        float[] attention = Native.Analysis_maps(measured);
        int size = Native.Analysis_map_places(measured).length;
        List<AttentionMap> maps = new ArrayList<>(layers.length);
        for (int i = 0; i < layers.length; ++i) {
            maps.add(
                    new AttentionMap(
                            new MapChannel((int) layers[i], (int) channels[i]),
                            rows(part(attention, i, layers.length), size)));
        }
        return List.copyOf(maps);
    }

    /** One of so many equal parts. */
    private static float[] part(float[] all, int index, int parts) {
        int size = all.length / parts;
        return Arrays.copyOfRange(all, index * size, (index + 1) * size);
    }

    private static long[] part(long[] all, int index, int parts) {
        int size = all.length / parts;
        return Arrays.copyOfRange(all, index * size, (index + 1) * size);
    }

    private static float[][] rows(float[] all, int count) {
        float[][] rows = new float[count][];
        for (int i = 0; i < count; ++i) {
            rows[i] = part(all, i, count);
        }
        return rows;
    }

    private static boolean[] flags(long[] values) {
        boolean[] flags = new boolean[values.length];
        for (int i = 0; i < values.length; ++i) {
            flags[i] = values[i] != 0;
        }
        return flags;
    }
}
