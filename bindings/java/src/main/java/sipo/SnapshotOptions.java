package sipo;

import java.util.function.LongFunction;

/** How {@link Session#save} writes. Default: raw, flushed. */
public final class SnapshotOptions {
    private Store store;
    private Boolean flush;

    /** {@link Store#RAW}, the default and fastest, or {@link Store#ZSTD}. */
    public SnapshotOptions store(Store store) {
        this.store = store;
        return this;
    }

    /** Whether a file that was saved survives a power cut. Default true. */
    public SnapshotOptions flush(boolean flush) {
        this.flush = flush;
        return this;
    }

    /** Calls with a native copy. */
    <T> T use(LongFunction<T> call) {
        return NativeOptions.use(Native::new_SnapshotOptions, this::fill, Native::delete_SnapshotOptions, call);
    }

    private void fill(long options) {
        NativeOptions.set(options, store, (to, value) -> Native.SnapshotOptions_store(to, value.code));
        NativeOptions.set(options, flush, Native::SnapshotOptions_flush);
    }
}
