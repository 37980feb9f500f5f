package sipo;

import java.util.function.LongFunction;

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

    ProgressListener progress() {
        return progress;
    }

    /** Calls with a native copy, which calls {@code hook} for progress. */
    <T> T use(ProgressListener hook, LongFunction<T> call) {
        return NativeOptions.use(
                Native::new_CalibrationOptions, (long options) -> fill(options, hook), Native::delete_CalibrationOptions, call);
    }

    private void fill(long options, ProgressListener hook) {
        NativeOptions.set(options, clamp, Native::CalibrationOptions_clamp);
        NativeOptions.set(options, threads, Native::CalibrationOptions_threads);
        NativeOptions.set(options, hook, Native::CalibrationOptions_progress);
    }
}
