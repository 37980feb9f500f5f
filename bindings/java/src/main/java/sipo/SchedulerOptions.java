package sipo;

import java.util.function.LongFunction;

/**
 * Options of {@link Model#newScheduler}. Defaults: all processors, 64 sessions, a queue of 1024, 128 tokens of prompts a
 * round, no cache.
 */
public final class SchedulerOptions {
    private Integer threads;
    private Long sessions;
    private Long queue;
    private Long chunkTokens;
    private Long memoryLimit;
    private Cache cache;

    /** 1 to 256; 0 takes as many as the process may use. */
    public SchedulerOptions threads(int threads) {
        this.threads = threads;
        return this;
    }

    /** Requests that are worked on at once: 1 to 65536. */
    public SchedulerOptions sessions(long sessions) {
        this.sessions = sessions;
        return this;
    }

    /** Requests that wait at most: 1 to 2^24. */
    public SchedulerOptions queue(long requests) {
        queue = requests;
        return this;
    }

    /** Tokens of prompts that are read a round at most: 1 to 65536. */
    public SchedulerOptions chunkTokens(long tokens) {
        chunkTokens = tokens;
        return this;
    }

    /** The most bytes of the sessions, else OUT_OF_MEMORY; 0 for no limit. */
    public SchedulerOptions memoryLimit(long bytes) {
        memoryLimit = bytes;
        return this;
    }

    /** Reads prompts with the help of this cache; null for none. */
    public SchedulerOptions cache(Cache cache) {
        this.cache = cache;
        return this;
    }

    /** Calls with a native copy. */
    <T> T use(long model, LongFunction<T> call) {
        return NativeOptions.use(
                () -> Native.new_SchedulerOptions(model), this::fill, Native::delete_SchedulerOptions, call);
    }

    private void fill(long options) {
        NativeOptions.set(options, threads, Native::SchedulerOptions_threads);
        NativeOptions.set(options, sessions, Native::SchedulerOptions_sessions);
        NativeOptions.set(options, queue, Native::SchedulerOptions_queue);
        NativeOptions.set(options, chunkTokens, Native::SchedulerOptions_chunk_tokens);
        NativeOptions.set(options, memoryLimit, Native::SchedulerOptions_memory_limit);
        NativeOptions.set(
                options,
                cache,
                (to, kept) -> kept.handle.run((long address) -> Native.SchedulerOptions_cache(to, address)));
    }
}
