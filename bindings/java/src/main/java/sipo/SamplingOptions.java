package sipo;

/**
 * Options of {@link Session#generate}. Default: greedy, stopping at the end of text.
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

    /** A native copy, for delete_SamplingOptions. */
    long create() {
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
            return options;
        } catch (Throwable e) {
            Native.delete_SamplingOptions(options);
            throw e;
        }
    }
}
