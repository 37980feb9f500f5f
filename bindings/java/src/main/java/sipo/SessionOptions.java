package sipo;

import java.util.Objects;
import java.util.function.LongFunction;

/**
 * Options of {@link Model#newSession}. Defaults: no context method, chunks of 1024 tokens, all processors; DeciMamba
 * with rate 0.5, capacity the training length, minimum 20, protected tail 1, in the middle layer; LongMamba
 * with threshold 1e-2, profile "default", in all layers.
 */
public final class SessionOptions {
    private Context context;
    private Double decimationRate;
    private Long decimationCapacity;
    private Long decimationMinTokens;
    private Long protectedTail;
    private int[] layers;
    private boolean allLayers;
    private Double globalChannelThreshold;
    private Channels filteredChannels;
    private long channelSeed;
    private String profile;
    private String profileWithSettings;
    private Calibration calibration;
    private Long expectedTokens;
    private Integer threads;
    private Workers workers;
    private Long memoryLimit;
    private Long chunkTokens;
    private ProgressListener progress;

    /** The method that extends the context. */
    public SessionOptions context(Context context) {
        this.context = context;
        return this;
    }

    /** DeciMamba: layer number s of the scope keeps capacity * rate^s tokens. (0, 1]. */
    public SessionOptions decimationRate(double decimationRate) {
        this.decimationRate = decimationRate;
        return this;
    }

    /** DeciMamba: tokens that the first layer of the scope keeps, 1 to 2^40. */
    public SessionOptions decimationCapacity(long decimationCapacity) {
        this.decimationCapacity = decimationCapacity;
        return this;
    }

    /** DeciMamba: never keep fewer tokens than this, 1 to 2^40. */
    public SessionOptions decimationMinTokens(long decimationMinTokens) {
        this.decimationMinTokens = decimationMinTokens;
        return this;
    }

    /** DeciMamba: tokens at the end of the prompt that are always kept, 1 to 2^40. */
    public SessionOptions protectedTail(long protectedTail) {
        this.protectedTail = protectedTail;
        return this;
    }

    /** Layer scope of the method: different layers, each 0 to {@link Model#layers} - 1, in any order. */
    public SessionOptions layers(int... layers) {
        this.layers = layers.clone();
        allLayers = false;
        return this;
    }

    /** LongMamba: a channel is global when its cumulative decay at the training length exceeds this. (0, 1). */
    public SessionOptions globalChannelThreshold(double globalChannelThreshold) {
        this.globalChannelThreshold = globalChannelThreshold;
        return this;
    }

    /** LongMamba: which channels are filtered; {@code seed}, any number, chooses the random ones. */
    public SessionOptions filteredChannels(Channels filteredChannels, long seed) {
        this.filteredChannels = Objects.requireNonNull(filteredChannels, "filteredChannels");
        channelSeed = seed;
        return this;
    }

    /** LongMamba: calibration profile of the file. */
    public SessionOptions profile(String profile) {
        this.profile = profile;
        return this;
    }

    /**
     * This profile of the file with the settings that it was saved with: context method, global-channel threshold,
     * layer scope, decimation rate and capacity. What is set here too goes before them. NOT_FOUND when it holds none.
     */
    public SessionOptions useProfile(String profile) {
        profileWithSettings = profile;
        return this;
    }

    /** LongMamba: this calibration instead of a profile of the file. */
    public SessionOptions calibration(Calibration calibration) {
        this.calibration = calibration;
        return this;
    }

    /** LongMamba: the total length S whatever the prompt's, 0 (what was seen) to 2^40. */
    public SessionOptions expectedTokens(long expectedTokens) {
        this.expectedTokens = expectedTokens;
        return this;
    }

    /** Threads of the computation, the caller's included: 1 to 256; 0 takes as many as the process may use. The
     * results do not depend on it. */
    public SessionOptions threads(int threads) {
        this.threads = threads;
        return this;
    }

    /** Threads and working memory that are shared, instead of threads of the session's own; null for its own. */
    public SessionOptions workers(Workers workers) {
        this.workers = workers;
        return this;
    }

    /**
     * The most bytes that a session may take, as {@link Model#sessionMemory} counts, else OUT_OF_MEMORY before anything
     * is allocated; 0 for no limit.
     */
    public SessionOptions memoryLimit(long bytes) {
        memoryLimit = bytes;
        return this;
    }

    /** Tokens of the prompt that go through the model together, 1 to 65536. The results do not depend on it. */
    public SessionOptions chunkTokens(long chunkTokens) {
        this.chunkTokens = chunkTokens;
        return this;
    }

    /** Progress of prefill and score in tokens of the prompt; null for none. */
    public SessionOptions progress(ProgressListener progress) {
        this.progress = progress;
        return this;
    }

    /** Layer scope: every layer. */
    public SessionOptions allLayers() {
        layers = null;
        allLayers = true;
        return this;
    }

    ProgressListener progress() {
        return progress;
    }

    /** Calls with a native copy, whose sessions call {@code hook} for progress. */
    <T> T use(long model, ProgressListener hook, LongFunction<T> call) {
        return NativeOptions.use(
                () -> Native.new_SessionOptions(model),
                (long options) -> fill(options, hook),
                Native::delete_SessionOptions,
                call);
    }

    private void fill(long options, ProgressListener hook) {
        // The first, because it sets what the others may set again.
        NativeOptions.set(options, profileWithSettings, (to, value) -> Native.SessionOptions_use_profile(to, Library.utf8(value)));
        NativeOptions.set(options, context, (to, value) -> Native.SessionOptions_context(to, value.code));
        NativeOptions.set(options, decimationRate, Native::SessionOptions_decimation_rate);
        NativeOptions.set(options, decimationCapacity, Native::SessionOptions_decimation_capacity);
        NativeOptions.set(options, decimationMinTokens, Native::SessionOptions_decimation_min_tokens);
        NativeOptions.set(options, protectedTail, Native::SessionOptions_protected_tail);
        NativeOptions.set(options, layers, Native::SessionOptions_layers);
        if (allLayers) {
            Native.SessionOptions_all_layers(options);
        }
        NativeOptions.set(options, globalChannelThreshold, Native::SessionOptions_global_channel_threshold);
        NativeOptions.set(
                options,
                filteredChannels,
                (to, value) -> Native.SessionOptions_filtered_channels(to, value.code, channelSeed));
        NativeOptions.set(options, profile, (to, value) -> Native.SessionOptions_profile(to, Library.utf8(value)));
        NativeOptions.set(
                options,
                calibration,
                (to, value) -> value.run((long address) -> Native.SessionOptions_calibration(to, address)));
        NativeOptions.set(options, expectedTokens, Native::SessionOptions_expected_tokens);
        NativeOptions.set(options, threads, Native::SessionOptions_threads);
        NativeOptions.set(
                options,
                workers,
                (to, value) -> value.handle.run((long address) -> Native.SessionOptions_workers(to, address)));
        NativeOptions.set(options, memoryLimit, Native::SessionOptions_memory_limit);
        NativeOptions.set(options, chunkTokens, Native::SessionOptions_chunk_tokens);
        NativeOptions.set(options, hook, Native::SessionOptions_progress);
    }
}
