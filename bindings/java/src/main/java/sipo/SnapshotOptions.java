package sipo;

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

    /** A native copy, for delete_SnapshotOptions. */
    long create() {
        long options = Native.new_SnapshotOptions();
        try {
            if (store != null) {
                Native.SnapshotOptions_store(options, store.code);
            }
            if (flush != null) {
                Native.SnapshotOptions_flush(options, flush);
            }
            return options;
        } catch (Throwable e) {
            Native.delete_SnapshotOptions(options);
            throw e;
        }
    }
}
