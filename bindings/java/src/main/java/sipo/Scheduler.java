package sipo;

import java.util.Objects;

/**
 * Many generations at once, for a server: any thread submits, and whoever holds a {@link Request} takes its tokens. One
 * pass over the weights serves all requests, and a long prompt does not stall the others. Made by
 * {@link Model#newScheduler}; from all threads.
 */
public final class Scheduler implements AutoCloseable {
    private final long model;
    private final NativeHandle handle;

    /** Ends the use of the model, at {@code model}, when it is freed itself. */
    Scheduler(NativeHandle ofModel, long model, long address) {
        this.model = model;
        handle =
                NativeHandle.of(
                        this,
                        "scheduler",
                        address,
                        (long scheduler) -> {
                            Native.delete_Scheduler(scheduler);
                            ofModel.release();
                        });
    }

    /** Submits with default options; see the other. */
    public Request submit(int[] ids, long maxTokens) {
        return submit(ids, maxTokens, new SessionOptions(), new SamplingOptions());
    }

    /**
     * Reads a prompt in a new session and generates after it. Listeners of the options are called on the scheduler's
     * thread and must be quick; what one throws ends the request and comes out of {@link Request#next}.
     *
     * @param ids the prompt, 1 token or more
     * @param maxTokens 1 to 2^40
     * @param session its threads, workers and chunks are the scheduler's
     * @throws SipoException BUSY when the queue is full, OUT_OF_RANGE (which token)
     */
    public Request submit(int[] ids, long maxTokens, SessionOptions session, SamplingOptions sampling) {
        Objects.requireNonNull(ids, "ids");
        Library.size(maxTokens, "maxTokens");
        Objects.requireNonNull(sampling, "sampling");
        Thrown thrown = new Thrown();
        return handle.use(
                (long scheduler) ->
                        session.use(
                                model,
                                thrown.guardProgress(session.progress()),
                                (long reading) ->
                                        sampling.use(
                                                thrown,
                                                (long generating) ->
                                                        new Request(
                                                                Native.Scheduler_submit(
                                                                        scheduler,
                                                                        reading,
                                                                        generating,
                                                                        ids,
                                                                        maxTokens),
                                                                thrown))));
    }

    /** Facts about the scheduler since it was made. */
    public SchedulerStatistics statistics() {
        return handle.use((long scheduler) -> SchedulerStatistics.of(new Facts(Native.Scheduler_statistics(scheduler))));
    }

    /** Ends all requests, which give CANCELLED after the tokens that they have, and frees the scheduler. */
    @Override
    public void close() {
        handle.close();
    }
}
