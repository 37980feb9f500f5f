package sipo;

import java.util.function.LongFunction;

/**
 * Options of {@link Model#importCheckpoint}, {@link Model#exportCheckpoint}, {@link Model#quantize} and
 * {@link Model#writePreset}. Defaults: {@link Weights#AUTOMATIC}, {@link Store#ZSTD}, all processors.
 */
public final class ImportOptions {
    private Weights weights;
    private Store store;
    private Integer threads;
    private Long trainingLength;
    private String tokenizer;
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

    /** Path of a tokenizer.json to take instead of the checkpoint's; null for its own. */
    public ImportOptions tokenizer(String path) {
        tokenizer = path;
        return this;
    }

    /** Progress in bytes of weights; null for none. */
    public ImportOptions progress(ProgressListener progress) {
        this.progress = progress;
        return this;
    }

    ProgressListener progress() {
        return progress;
    }

    /** Calls with a native copy, which calls {@code hook} for progress. */
    <T> T use(ProgressListener hook, LongFunction<T> call) {
        return NativeOptions.use(
                Native::new_ImportOptions, (long options) -> fill(options, hook), Native::delete_ImportOptions, call);
    }

    private void fill(long options, ProgressListener hook) {
        NativeOptions.set(options, weights, (to, value) -> Native.ImportOptions_weights(to, value.code));
        NativeOptions.set(options, store, (to, value) -> Native.ImportOptions_store(to, value.code));
        NativeOptions.set(options, threads, Native::ImportOptions_threads);
        NativeOptions.set(options, trainingLength, Native::ImportOptions_training_length);
        NativeOptions.set(options, tokenizer, (to, value) -> Native.ImportOptions_tokenizer(to, Library.utf8(value)));
        NativeOptions.set(options, hook, Native::ImportOptions_progress);
    }
}
