package sipo;

/**
 * States after prefixes of prompts that were read before, so that a prompt which starts with one reads its tail only.
 * It never changes an answer: what cannot be reused exactly is read again and counted. Made by
 * {@link Model#newCache}; from all threads.
 */
public final class Cache implements AutoCloseable {
    final NativeHandle handle;

    Cache(long address) {
        handle = NativeHandle.of(this, "cache", address, Native::delete_Cache);
    }

    /** Facts about the cache since it was made. */
    public CacheStatistics statistics() {
        return handle.use((long cache) -> CacheStatistics.of(new Facts(Native.Cache_statistics(cache))));
    }

    /** Removes all entries of the model, those in the directory too. */
    public void clear() {
        handle.run(Native::Cache_clear);
    }

    /** Frees it; schedulers keep what they need, and the directory stays. */
    @Override
    public void close() {
        handle.close();
    }
}
