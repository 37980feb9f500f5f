package sipo;

/**
 * Options of {@link Model#importCheckpoint}, {@link Model#quantize} and {@link Model#writePreset}. Defaults:
 * {@link Weights#AUTOMATIC}, {@link Store#ZSTD}, all processors.
 */
public final class ImportOptions {
    private Weights weights;
    private Store store;
    private Integer threads;
    private Long trainingLength;
    private ProgressListener progress;

    /** How matrices are stored and multiplied. */
    public ImportOptions weights(Weights weights) {
        this.weights = weights;
        return this;
    }

    /** How tensors lie in the file. */
    public ImportOptions store(Store store) {
        this.store = store;
        return this;
    }

    /** Threads: 1 to 256; 0 takes as many as the process may use. */
    public ImportOptions threads(int threads) {
        this.threads = threads;
        return this;
    }

    /** Length in tokens that the model was trained with, where config.json does not say it: 1 to 2^31-1. */
    public ImportOptions trainingLength(long trainingLength) {
        this.trainingLength = trainingLength;
        return this;
    }

    /** Progress in bytes of weights; null for none. */
    public ImportOptions progress(ProgressListener progress) {
        this.progress = progress;
        return this;
    }

    /** A native copy, for delete_ImportOptions. */
    long create() {
        long options = Native.new_ImportOptions();
        try {
            if (weights != null) {
                Native.ImportOptions_weights(options, weights.code);
            }
            if (store != null) {
                Native.ImportOptions_store(options, store.code);
            }
            if (threads != null) {
                Native.ImportOptions_threads(options, threads);
            }
            if (trainingLength != null) {
                Native.ImportOptions_training_length(options, trainingLength);
            }
            if (progress != null) {
                Native.ImportOptions_progress(options, progress);
            }
            return options;
        } catch (Throwable e) {
            Native.delete_ImportOptions(options);
            throw e;
        }
    }
}
