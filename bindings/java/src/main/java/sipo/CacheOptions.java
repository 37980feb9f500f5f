package sipo;

import java.nio.file.Path;
import java.util.Objects;

/** Options of {@link Model#newCache}. Defaults: 256 MiB of memory, no directory, 2048 tokens. */
public final class CacheOptions {
    private Long memory;
    private Path directory;
    private long directoryBytes;
    private Long interval;

    /** Bytes of entries in memory; 0 for none. */
    public CacheOptions memory(long bytes) {
        memory = bytes;
        return this;
    }

    /**
     * Keeps entries in this directory too, up to that many bytes of files. Any number of processes may share it; it
     * is made where it is missing.
     */
    public CacheOptions directory(Path directory, long bytes) {
        this.directory = Objects.requireNonNull(directory, "directory");
        directoryBytes = bytes;
        return this;
    }

    /** Tokens from one kept state of a prompt to the next: 64 to 2^40. */
    public CacheOptions interval(long tokens) {
        interval = tokens;
        return this;
    }

    /** A native copy, for delete_CacheOptions. */
    long create() {
        long options = Native.new_CacheOptions();
        try {
            if (memory != null) {
                Native.CacheOptions_memory(options, memory);
            }
            if (directory != null) {
                Native.CacheOptions_directory(options, Library.utf8(directory.toString()), directoryBytes);
            }
            if (interval != null) {
                Native.CacheOptions_interval(options, interval);
            }
            return options;
        } catch (Throwable e) {
            Native.delete_CacheOptions(options);
            throw e;
        }
    }
}
