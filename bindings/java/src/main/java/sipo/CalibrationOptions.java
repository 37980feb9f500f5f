package sipo;

/**
 * Options of {@link Model#calibrate}. Defaults: no clamp, all processors.
 */
public final class CalibrationOptions {
    private Double clamp;
    private Integer threads;
    private ProgressListener progress;

    /** Share of the largest delta that are clamped to the smallest of them: 0 (off) to below 1. */
    public CalibrationOptions clamp(double clamp) {
        this.clamp = clamp;
        return this;
    }

    /** Threads: 1 to 256; 0 takes as many as the process may use. */
    public CalibrationOptions threads(int threads) {
        this.threads = threads;
        return this;
    }

    /** Progress in layers times sequences; null for none. */
    public CalibrationOptions progress(ProgressListener progress) {
        this.progress = progress;
        return this;
    }

    /** A native copy, for delete_CalibrationOptions. */
    long create() {
        long options = Native.new_CalibrationOptions();
        try {
            if (clamp != null) {
                Native.CalibrationOptions_clamp(options, clamp);
            }
            if (threads != null) {
                Native.CalibrationOptions_threads(options, threads);
            }
            if (progress != null) {
                Native.CalibrationOptions_progress(options, progress);
            }
            return options;
        } catch (Throwable e) {
            Native.delete_CalibrationOptions(options);
            throw e;
        }
    }
}
