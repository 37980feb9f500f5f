package sipo;

/**
 * Threads and working memory that sessions share, so that a session is a few megabytes and starts no thread. Made
 * by {@link Model#newWorkers}. Sessions that share workers may be used by different threads at once: they take
 * turns, chunk by chunk and token by token.
 */
public final class Workers implements AutoCloseable {
    final NativeHandle handle;

    Workers(long address) {
        handle = NativeHandle.of(this, "workers object", address, Native::delete_Workers);
    }

    /** Frees them; sessions keep what they need. */
    @Override
    public void close() {
        handle.close();
    }
}
