package sipo;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;

/**
 * Options of {@link Session#generate} and {@link Scheduler#submit}. Default: greedy, stopping at the end of text.
 */
public final class SamplingOptions {
    private Double temperature;
    private Integer topK;
    private Double topP;
    private Double minP;
    private Double repetitionPenalty;
    private long repetitionWindow;
    private Long seed;
    private Boolean ignoreEndOfText;
    private Boolean resume;
    private final List<String> stops = new ArrayList<>();
    private Map<Integer, Float> logitBias = Map.of();
    private int likeliest;
    private LogProbabilitiesListener logProbabilities;

    /** 0 (greedy, the default) to 100. */
    public SamplingOptions temperature(double temperature) {
        this.temperature = temperature;
        return this;
    }

    /** Sample among the k most likely tokens: 0 (all, the default) to 2^24. */
    public SamplingOptions topK(int topK) {
        this.topK = topK;
        return this;
    }

    /** Sample among the likeliest tokens that together reach this probability: (0, 1], default 1. */
    public SamplingOptions topP(double topP) {
        this.topP = topP;
        return this;
    }

    /** Drop tokens less likely than this times the likeliest: [0, 1], default 0. */
    public SamplingOptions minP(double minP) {
        this.minP = minP;
        return this;
    }

    /** Makes the tokens of the last {@code window} generated less likely: penalty (0, 100], 1 (the default) is
     * off; window 0 to 2^24, usually 64. */
    public SamplingOptions repetitionPenalty(double repetitionPenalty, long window) {
        this.repetitionPenalty = repetitionPenalty;
        this.repetitionWindow = window;
        return this;
    }

    /** Any number; the same seed gives the same tokens. Default 0. */
    public SamplingOptions seed(long seed) {
        this.seed = seed;
        return this;
    }

    /** Go on past the end of text. Default false. */
    public SamplingOptions ignoreEndOfText(boolean ignoreEndOfText) {
        this.ignoreEndOfText = ignoreEndOfText;
        return this;
    }

    /** Go on where the session's last generation stopped, not from the seed. Default false. */
    public SamplingOptions resume(boolean resume) {
        this.resume = resume;
        return this;
    }

    /**
     * More texts that end a generation, wherever tokens begin and end: 1 to 65536 bytes of UTF-8 each, 256 of them at
     * most. The text that stopped it is not reported.
     */
    public SamplingOptions stop(String... texts) {
        stops.addAll(List.of(texts));
        return this;
    }

    /** Added to the logits of these tokens; minus infinity rules a token out. In place of earlier ones. */
    public SamplingOptions logitBias(Map<Integer, Float> biases) {
        logitBias = Map.copyOf(biases);
        return this;
    }

    /**
     * Reports the log probability of each token and of the {@code likeliest} (0 to 1024) of its place; a null listener
     * for none.
     */
    public SamplingOptions logProbabilities(int likeliest, LogProbabilitiesListener listener) {
        this.likeliest = likeliest;
        logProbabilities = listener;
        return this;
    }

    /** Calls with a native copy. */
    <T> T use(LongFunction<T> call) {
        return use(logProbabilities, call);
    }

    /** The same, whose listener is guarded. */
    <T> T use(Thrown thrown, LongFunction<T> call) {
        return use(logProbabilities == null ? null : thrown.guardProbabilities(logProbabilities), call);
    }

    private <T> T use(LogProbabilitiesListener listener, LongFunction<T> call) {
        return NativeOptions.use(
                Native::new_SamplingOptions,
                (long options) -> fill(options, listener),
                Native::delete_SamplingOptions,
                call);
    }

    private void fill(long options, LogProbabilitiesListener listener) {
        NativeOptions.set(options, temperature, Native::SamplingOptions_temperature);
        NativeOptions.set(options, topK, Native::SamplingOptions_top_k);
        NativeOptions.set(options, topP, Native::SamplingOptions_top_p);
        NativeOptions.set(options, minP, Native::SamplingOptions_min_p);
        NativeOptions.set(
                options,
                repetitionPenalty,
                (to, penalty) -> Native.SamplingOptions_repetition_penalty(to, penalty, repetitionWindow));
        NativeOptions.set(options, seed, Native::SamplingOptions_seed);
        NativeOptions.set(options, ignoreEndOfText, Native::SamplingOptions_ignore_end_of_text);
        NativeOptions.set(options, resume, Native::SamplingOptions_resume);
        for (String stop : stops) {
            Native.SamplingOptions_stop(options, Library.utf8(stop));
        }
        if (!logitBias.isEmpty()) {
            setLogitBias(options);
        }
        NativeOptions.set(
                options, listener, (to, told) -> Native.SamplingOptions_log_probabilities(to, likeliest, told));
    }

    private void setLogitBias(long options) {
        int[] ids = new int[logitBias.size()];
        float[] biases = new float[ids.length];
        int next = 0;
        for (Map.Entry<Integer, Float> bias : logitBias.entrySet()) {
            ids[next] = bias.getKey();
            biases[next++] = bias.getValue();
        }
        Native.SamplingOptions_logit_biases(options, ids, biases);
    }
}
