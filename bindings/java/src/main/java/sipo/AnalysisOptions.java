package sipo;

import java.util.List;
import java.util.function.LongFunction;

/**
 * Options of {@link Model#analyze}. Defaults: 64 points, maps of 64 x 64 of one channel a layer, a limit of 4 GiB.
 */
public final class AnalysisOptions {
    private Long points;
    private Long mapSize;
    private List<MapChannel> mapChannels;
    private Long memoryLimit;
    private ProgressListener progress;

    /** Places of the prompt that curves are told for, evenly spread: 1 to 4096, and at most one a token. */
    public AnalysisOptions points(long points) {
        this.points = points;
        return this;
    }

    /** Rows and columns of an attention map: 0 (no maps) to 256, and at most one a token. */
    public AnalysisOptions mapSize(long size) {
        mapSize = size;
        return this;
    }

    /**
     * The channels whose attention is mapped, 4096 at most; none, the default, takes of each layer the median global
     * one, or the most lasting where none is global.
     */
    public AnalysisOptions mapChannels(List<MapChannel> channels) {
        mapChannels = List.copyOf(channels);
        return this;
    }

    /** The most bytes that {@link Model#analysisMemory} may tell, else OUT_OF_MEMORY; 0 for no limit. */
    public AnalysisOptions memoryLimit(long bytes) {
        memoryLimit = bytes;
        return this;
    }

    /** Progress in tokens times layers; null for none. */
    public AnalysisOptions progress(ProgressListener progress) {
        this.progress = progress;
        return this;
    }

    ProgressListener progress() {
        return progress;
    }

    /** Calls with a native copy, which calls {@code hook} for progress. */
    <T> T use(ProgressListener hook, LongFunction<T> call) {
        return NativeOptions.use(
                Native::new_AnalysisOptions, (long options) -> fill(options, hook), Native::delete_AnalysisOptions, call);
    }

    private void fill(long options, ProgressListener hook) {
        NativeOptions.set(options, points, Native::AnalysisOptions_points);
        NativeOptions.set(options, mapSize, Native::AnalysisOptions_map_size);
        NativeOptions.set(
                options, mapChannels, (to, channels) -> Native.AnalysisOptions_map_pairs(to, pairs(channels)));
        NativeOptions.set(options, memoryLimit, Native::AnalysisOptions_memory_limit);
        NativeOptions.set(options, hook, Native::AnalysisOptions_progress);
    }

    private static int[] pairs(List<MapChannel> channels) {
        int[] pairs = new int[2 * channels.size()];
        int next = 0;
        for (MapChannel channel : channels) {
            pairs[next++] = channel.layer();
            pairs[next++] = channel.channel();
        }
        return pairs;
    }
}
