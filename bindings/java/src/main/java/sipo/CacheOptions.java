package sipo;

import java.nio.file.Path;
import java.util.Objects;
import java.util.function.LongFunction;

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

    /** Calls with a native copy. */
    <T> T use(LongFunction<T> call) {
        return NativeOptions.use(Native::new_CacheOptions, this::fill, Native::delete_CacheOptions, call);
    }

    private void fill(long options) {
        NativeOptions.set(options, memory, Native::CacheOptions_memory);
        NativeOptions.set(
                options,
                directory,
                (to, path) -> Native.CacheOptions_directory(to, Library.utf8(path.toString()), directoryBytes));
        NativeOptions.set(options, interval, Native::CacheOptions_interval);
    }
}
