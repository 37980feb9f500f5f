package sipo;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

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

    /** A native copy, for delete_SamplingOptions. */
    long create() {
        return create(logProbabilities);
    }

    /** The same, whose listener is guarded. */
    long create(Thrown thrown) {
        return create(logProbabilities == null ? null : thrown.guardProbabilities(logProbabilities));
    }

    private long create(LogProbabilitiesListener listener) {
        long options = Native.new_SamplingOptions();
        try {
            if (temperature != null) {
                Native.SamplingOptions_temperature(options, temperature);
            }
            if (topK != null) {
                Native.SamplingOptions_top_k(options, topK);
            }
            if (topP != null) {
                Native.SamplingOptions_top_p(options, topP);
            }
            if (minP != null) {
                Native.SamplingOptions_min_p(options, minP);
            }
            if (repetitionPenalty != null) {
                Native.SamplingOptions_repetition_penalty(options, repetitionPenalty, repetitionWindow);
            }
            if (seed != null) {
                Native.SamplingOptions_seed(options, seed);
            }
            if (ignoreEndOfText != null) {
                Native.SamplingOptions_ignore_end_of_text(options, ignoreEndOfText);
            }
            if (resume != null) {
                Native.SamplingOptions_resume(options, resume);
            }
            for (String stop : stops) {
                Native.SamplingOptions_stop(options, Library.utf8(stop));
            }
            if (!logitBias.isEmpty()) {
                setLogitBias(options);
            }
            if (listener != null) {
                Native.SamplingOptions_log_probabilities(options, likeliest, listener);
            }
            return options;
        } catch (Throwable e) {
            Native.delete_SamplingOptions(options);
            throw e;
        }
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
