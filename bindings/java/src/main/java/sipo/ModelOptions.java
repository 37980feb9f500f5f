package sipo;

/**
 * Options of {@link Model#open}. Defaults: backend "auto", all processors for loading, silent.
 */
public final class ModelOptions {
    private String backend;
    private Integer threads;
    private ProgressListener progress;
    private LogListener log;
    private Long memoryLimit;

    /** Where the model computes: "auto" or "cpu". */
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

    /** A native copy, for delete_ModelOptions. */
    long create() {
        long options = Native.new_ModelOptions();
        try {
            if (backend != null) {
                Native.ModelOptions_backend(options, Library.utf8(backend));
            }
            if (threads != null) {
                Native.ModelOptions_threads(options, threads);
            }
            if (progress != null) {
                Native.ModelOptions_progress(options, progress);
            }
            if (memoryLimit != null) {
                Native.ModelOptions_memory_limit(options, memoryLimit);
            }
            if (log != null) {
                Native.ModelOptions_log(options, log);
            }
            return options;
        } catch (Throwable e) {
            Native.delete_ModelOptions(options);
            throw e;
        }
    }
}
