package sipo;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.stream.Stream;

/**
 * One sequence: its recurrent state, a few megabytes whatever the length of the prompt, and the method that
 * extends its context. One thread at a time; {@link #cancel} and {@link #close} from any. A callback must
 * not use the session it is called from, except for those two.
 */
public final class Session implements AutoCloseable {
    /** What long calls ask now and then. It does not know its session, which may be collected. */
    private static final class Hook implements ProgressListener {
        private final ProgressListener listener;
        volatile boolean cancelled;

        Hook(ProgressListener listener) {
            this.listener = listener;
        }

        @Override
        public boolean onProgress(long done, long total) {
            return !cancelled && (listener == null || listener.onProgress(done, total));
        }
    }

    private final NativeHandle handle;
    private final Hook hook;
    private final int vocabSize;

    Session(long model, int vocabSize, SessionOptions options) {
        this.vocabSize = vocabSize;
        hook = new Hook(options.progress());
        long chosen = options.create(model, hook);
        try {
            handle = NativeHandle.of(this, "session", Native.new_Session(chosen), Native::delete_Session);
        } finally {
            Native.delete_SessionOptions(chosen);
        }
    }

    /**
     * Reads a prompt after what was read before. The context method acts here. If it fails or is cancelled,
     * the session is as it was.
     *
     * @param ids 1 to 2^31-1 tokens, each 0 to {@link Model#vocabSize} - 1
     * @throws SipoException OUT_OF_RANGE (which token), CANCELLED
     */
    public void prefill(int... ids) {
        Objects.requireNonNull(ids, "ids");
        handle.run((long session) -> Native.Session_prefill(session, ids));
    }

    /** Reads the remaining tokens of a buffer, without a copy if it is direct and in native order. */
    public void prefill(IntBuffer ids) {
        Object tokens = direct(ids) ? ids.slice() : copy(ids);
        handle.run((long session) -> Native.Session_prefill(session, tokens));
    }

    private static boolean direct(IntBuffer ids) {
        return ids.isDirect() && ids.order() == ByteOrder.nativeOrder() && ids.hasRemaining();
    }

    private static int[] copy(IntBuffer ids) {
        int[] copied = new int[ids.remaining()];
        ids.duplicate().get(copied);
        return copied;
    }

    /**
     * Prefill that also gives the logits at the last tokens. With DeciMamba the protected tail has to reach
     * that far.
     *
     * @param last 1 to as many as ids are
     * @return [last, {@link Model#vocabSize}]
     */
    public float[] prefillLogits(int[] ids, int last) {
        Objects.requireNonNull(ids, "ids");
        Library.size(last, "last");
        return handle.use((long session) -> Native.Session_prefill_logits(session, ids, last));
    }

    /**
     * Prefill that also gives the negative log-likelihood, in nats, of each of the last {@code scored}
     * tokens. With DeciMamba the protected tail has to be {@code scored} + 1 or more.
     *
     * @param scored 1 to one less than ids are, to as many if the session has read tokens before
     * @return [scored]
     */
    public float[] score(int[] ids, int scored) {
        Objects.requireNonNull(ids, "ids");
        Library.size(scored, "scored");
        return handle.use((long session) -> Native.Session_score(session, ids, scored));
    }

    /** Reads one token by the plain recurrence, whatever the context method. */
    public void decode(int token) {
        handle.run((long session) -> Native.Session_decode(session, token));
    }

    /**
     * Reads one token in each of several different sessions of one model, in one pass over the weights.
     *
     * @throws SipoException INVALID_ARGUMENT when a session is of another model, INVALID_STATE when one
     *     stands twice or is in use; then none has read its token
     * @throws IllegalArgumentException when the lists differ in length
     */
    public static void decodeTogether(List<Session> sessions, int... tokens) {
        if (sessions.size() != tokens.length) {
            throw new IllegalArgumentException("sessions and tokens differ in length");
        }
        Library.ensureLoaded();
        long batch = Native.new_Batch();
        int held = 0;
        try {
            for (; held < tokens.length; ++held) {
                Native.Batch_add(batch, sessions.get(held).handle.acquire(), tokens[held]);
            }
            Native.Batch_decode(batch);
        } finally {
            while (held > 0) {
                sessions.get(--held).handle.release();
            }
            Native.delete_Batch(batch);
        }
    }

    /**
     * Logits after the last token, [{@link Model#vocabSize}].
     *
     * @throws SipoException INVALID_STATE before the first token
     */
    public float[] logits() {
        return handle.use(Native::Session_logits);
    }

    /**
     * The same into a buffer, at its position, which goes behind them; without a copy if it is direct and in
     * native order.
     *
     * @throws SipoException BUFFER_TOO_SMALL
     */
    public void logits(FloatBuffer into) {
        boolean direct = into.isDirect() && into.order() == ByteOrder.nativeOrder();
        FloatBuffer filled =
                direct
                        ? into.slice()
                        : ByteBuffer.allocateDirect(4 * Math.min(into.remaining(), vocabSize))
                                .order(ByteOrder.nativeOrder())
                                .asFloatBuffer();
        int count = handle.use((long session) -> (int) Native.Session_logits_into(session, filled));
        if (direct) {
            into.position(into.position() + count);
        } else {
            into.put(filled.limit(count));
        }
    }

    /** Generates greedily; see the other. */
    public long generate(long maxTokens, TokenListener listener) {
        return generate(maxTokens, new SamplingOptions(), listener);
    }

    /**
     * Generates from where the session stands and reads each token, so that the session can go on. The end
     * of text stops it and is neither reported nor read.
     *
     * @param maxTokens 1 to 2^40
     * @param listener gets every token; what it was called with has been read, also when it throws
     * @return how many tokens the listener got
     * @throws SipoException INVALID_STATE before the first token, CANCELLED by {@link #cancel}
     */
    public long generate(long maxTokens, SamplingOptions options, TokenListener listener) {
        Library.size(maxTokens, "maxTokens");
        Objects.requireNonNull(listener, "listener");
        long sampling = options.create();
        long[] got = {0};
        boolean[] stopped = {false};
        TokenListener counting =
                (token, text) -> {
                    ++got[0];
                    stopped[0] = !listener.onToken(token, text);
                    return !stopped[0] && !hook.cancelled;
                };
        try {
            handle.run((long session) -> Native.Session_generate(session, maxTokens, counting, sampling));
        } catch (SipoException e) {
            if (!stopped[0] || e.status() != Status.CANCELLED) {
                throw e;
            }
        } finally {
            Native.delete_SamplingOptions(sampling);
        }
        return got[0];
    }

    /** Generates and returns the text of all tokens. */
    public String generateText(long maxTokens, SamplingOptions options) {
        StringBuilder all = new StringBuilder();
        generate(maxTokens, options, (token, text) -> all.append(text) != null);
        return all.toString();
    }

    /**
     * Generates in a thread of its own, started with the first token asked for, a few tokens ahead of the
     * reader. Close the stream when it is not read to its end: that cancels the rest. The session must not
     * be used until then.
     */
    public Stream<Token> tokens(long maxTokens, SamplingOptions options) {
        Library.size(maxTokens, "maxTokens");
        Objects.requireNonNull(options, "options");
        return TokenReader.stream(
                listener -> call(() -> generate(maxTokens, options, listener)), this::cancelForGood);
    }

    /** {@link #prefill} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Void> prefillAsync(int[] ids, Executor executor) {
        return async(executor, () -> {
            prefill(ids);
            return null;
        });
    }

    /** {@link #generate} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Long> generateAsync(
            long maxTokens, SamplingOptions options, TokenListener listener, Executor executor) {
        return async(executor, () -> generate(maxTokens, options, listener));
    }

    private interface Work<T> {
        T run();
    }

    private <T> CompletableFuture<T> async(Executor executor, Work<T> work) {
        CompletableFuture<T> future = new CompletableFuture<>();
        future.whenComplete(
                (result, failure) -> {
                    if (future.isCancelled()) {
                        cancelForGood();
                    }
                });
        executor.execute(
                () -> {
                    try {
                        future.complete(
                                call(() -> {
                                    if (future.isCancelled()) {
                                        throw new SipoException(Status.CANCELLED, "the future was cancelled");
                                    }
                                    return work.run();
                                }));
                    } catch (Throwable e) {
                        future.completeExceptionally(e);
                    }
                });
        return future;
    }

    /** Runs work that {@link #cancelForGood} ends, also when it comes before the native call. */
    private <T> T call(Work<T> work) {
        hook.cancelled = false;
        try {
            return work.run();
        } finally {
            hook.cancelled = false;
        }
    }

    private void cancelForGood() {
        hook.cancelled = true;
        try {
            cancel();
        } catch (IllegalStateException closed) {
            // Then it is cancelled anyway.
        }
    }

    /** Tokens read so far. */
    public long position() {
        return handle.use(Native::Session_position);
    }

    /** Which tokens of the last prefill reached the last layer: indices into its ids, ascending. */
    public long[] keptTokens() {
        return handle.use(Native::Session_kept_tokens);
    }

    /** Back to position 0. */
    public void reset() {
        handle.run(Native::Session_reset);
    }

    /**
     * Makes the call that runs in the session, if one does, fail with {@link Status#CANCELLED} within a chunk
     * or a token. Any thread.
     */
    public void cancel() {
        handle.run(Native::Session_cancel);
    }

    /** Where the session computes, such as "cpu (avx512), 2 threads". */
    public String backendName() {
        return handle.use((long session) -> Library.text(Native.Session_backend_name(session)));
    }

    /** Cancels what runs in the session and frees it when that has returned. */
    @Override
    public void close() {
        try {
            cancel();
        } catch (IllegalStateException closedBefore) {
            return;
        }
        handle.close();
    }
}
