package sipo;

import java.time.Duration;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** A generation that a {@link Scheduler} works on. From all threads; each token is given once. */
public final class Request implements AutoCloseable {
    /** How long a waiting thread does not notice that it was interrupted. */
    private static final long SLICE_MILLISECONDS = 50;

    private final NativeHandle handle;
    private final Thrown thrown;

    Request(long address, Thrown thrown) {
        this.thrown = thrown;
        handle = NativeHandle.of(this, "request", address, Native::delete_Request);
    }

    /**
     * Waits for the next token.
     *
     * @return nothing at the end; just before it perhaps a token with the id -1 and text that was held back
     * @throws SipoException CANCELLED, and what the request failed with, after its tokens
     */
    public Optional<Token> next() {
        for (;;) {
            try {
                return next(SLICE_MILLISECONDS);
            } catch (SipoException e) {
                if (e.status() != Status.TIMED_OUT) {
                    throw e;
                }
            }
            if (Thread.currentThread().isInterrupted()) {
                cancel();
                throw new SipoException(Status.CANCELLED, "the waiting thread was interrupted");
            }
        }
    }

    /**
     * Waits for the next token no longer than this, up to 10^9 milliseconds.
     *
     * @throws SipoException TIMED_OUT, and as the other
     */
    public Optional<Token> next(Duration timeout) {
        return next(Library.size(timeout.toMillis(), "timeout"));
    }

    private Optional<Token> next(long milliseconds) {
        try {
            return handle.use((long request) -> read(Native.Request_next(request, milliseconds)));
        } catch (SipoException e) {
            if (e.status() == Status.CANCELLED) {
                thrown.rethrow();
            }
            throw e;
        }
    }

    private static Optional<Token> read(long event) {
        try {
            int id = Native.RequestToken_id_of(event);
            String text = Library.text(Native.RequestToken_text_of(event));
            return id < 0 && text.isEmpty() ? Optional.empty() : Optional.of(new Token(id, text));
        } finally {
            Native.delete_RequestToken(event);
        }
    }

    /** The tokens as they come. Close the stream when it is not read to its end: that cancels the request. */
    public Stream<Token> tokens() {
        Spliterator<Token> reader =
                new Spliterators.AbstractSpliterator<>(
                        Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL) {
                    @Override
                    public boolean tryAdvance(Consumer<? super Token> action) {
                        Optional<Token> token = next();
                        token.ifPresent(action);
                        return token.isPresent();
                    }
                };
        return StreamSupport.stream(reader, false).onClose(this::cancelIfOpen);
    }

    /** Waits for the end and returns the text of all tokens that are left. */
    public String text() {
        StringBuilder all = new StringBuilder();
        for (Optional<Token> token = next(); token.isPresent(); token = next()) {
            all.append(token.get().text());
        }
        return all.toString();
    }

    /** {@link #next()} on an executor; cancelling the future cancels the request. */
    public CompletableFuture<Optional<Token>> nextAsync(Executor executor) {
        return async(executor, this::next);
    }

    /** {@link #text} on an executor; cancelling the future cancels the request. */
    public CompletableFuture<String> textAsync(Executor executor) {
        return async(executor, this::text);
    }

    private <T> CompletableFuture<T> async(Executor executor, Supplier<T> work) {
        CompletableFuture<T> future = CompletableFuture.supplyAsync(work, executor);
        future.whenComplete(
                (result, failure) -> {
                    if (future.isCancelled()) {
                        cancelIfOpen();
                    }
                });
        return future;
    }

    /** Ends the request within a chunk or a token. */
    public void cancel() {
        handle.run(Native::Request_cancel);
    }

    private void cancelIfOpen() {
        try {
            cancel();
        } catch (IllegalStateException closed) {
            // Then it is cancelled anyway.
        }
    }

    /** Facts about the request so far. */
    public RequestStatistics statistics() {
        return handle.use((long request) -> RequestStatistics.of(new Facts(Native.Request_statistics(request))));
    }

    /** Cancels the request, unless it has ended, and frees it. Not to be called from a listener of its options. */
    @Override
    public void close() {
        cancelIfOpen();
        handle.close();
    }
}
