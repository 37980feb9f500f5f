package sipo;

import java.util.function.LongFunction;

/**
 * Options of {@link Model#open}. Defaults: backend "auto", all processors for loading, silent.
 */
public final class ModelOptions {
    private String backend;
    private Integer threads;
    private ProgressListener progress;
    private LogListener log;
    private Long memoryLimit;
    private Long deviceMemoryLimit;

    /** Where the model computes: "auto", "cpu", "cuda" (the first device), "cuda:1". */
    public ModelOptions backend(String backend) {
        this.backend = backend;
        return this;
    }

    /** Threads that load: 1 to 256; 0 takes as many as the process may use. */
    public ModelOptions threads(int threads) {
        this.threads = threads;
        return this;
    }

    /** Progress of loading in bytes of weights; null for none. */
    public ModelOptions progress(ProgressListener progress) {
        this.progress = progress;
        return this;
    }

    /** Where the model and its sessions write log lines; null for silence. */
    public ModelOptions log(LogListener log) {
        this.log = log;
        return this;
    }

    /** The most bytes of weights of a model that is opened, else OUT_OF_MEMORY; 0 for no limit. */
    public ModelOptions memoryLimit(long bytes) {
        memoryLimit = bytes;
        return this;
    }

    /**
     * The most that the model and all its sessions take together of a GPU's memory, in bytes, else OUT_OF_MEMORY; 0
     * for no limit.
     */
    public ModelOptions deviceMemoryLimit(long bytes) {
        deviceMemoryLimit = bytes;
        return this;
    }

    ProgressListener progress() {
        return progress;
    }

    /** Calls with a native copy, which calls {@code hook} for progress. */
    <T> T use(ProgressListener hook, LongFunction<T> call) {
        return NativeOptions.use(
                Native::new_ModelOptions, (long options) -> fill(options, hook), Native::delete_ModelOptions, call);
    }

    private void fill(long options, ProgressListener hook) {
        NativeOptions.set(options, backend, (to, value) -> Native.ModelOptions_backend(to, Library.utf8(value)));
        NativeOptions.set(options, threads, Native::ModelOptions_threads);
        NativeOptions.set(options, hook, Native::ModelOptions_progress);
        NativeOptions.set(options, memoryLimit, Native::ModelOptions_memory_limit);
        NativeOptions.set(options, deviceMemoryLimit, Native::ModelOptions_device_memory_limit);
        NativeOptions.set(options, log, Native::ModelOptions_log);
    }
}
