package sipo;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * One sequence: its recurrent state, a few megabytes whatever the length of the prompt, and the method that
 * extends its context. One thread at a time; {@link #cancel} and {@link #close} from any. A callback must
 * not use the session it is called from, except for those two.
 */
public final class Session implements AutoCloseable {
    private final NativeHandle handle;
    private final int vocabSize;

    private Session(long address, int vocabSize) {
        this.vocabSize = vocabSize;
        handle = NativeHandle.of(this, "session", address, Native::delete_Session);
    }

    static Session create(long model, SessionOptions options) {
        int vocabSize = (int) Native.Model_vocab_size(model);
        return options.use(
                model, options.progress(), (long chosen) -> new Session(Native.new_Session(chosen), vocabSize));
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

    /**
     * As {@link #prefill}, with the help of a cache of the same model; {@link SessionStatistics#reusedTokens} tells what
     * it had. A session that has read tokens before neither asks nor fills it.
     */
    public void prefillCached(Cache cache, int... ids) {
        Objects.requireNonNull(ids, "ids");
        cache.handle.run(
                (long kept) ->
                        handle.run((long session) -> Native.Session_prefill_cached(session, kept, ids)));
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
        long[] got = {0};
        boolean[] stopped = {false};
        TokenListener counting =
                (token, text) -> {
                    got[0] += token < 0 ? 0 : 1;
                    stopped[0] = !listener.onToken(token, text);
                    return !stopped[0];
                };
        try {
            options.use(
                    (long sampling) ->
                            handle.use(
                                    (long session) ->
                                            Native.Session_generate(session, maxTokens, counting, sampling)));
        } catch (SipoException e) {
            if (!stopped[0] || e.status() != Status.CANCELLED) {
                throw e;
            }
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
        return TokenReader.stream(listener -> generate(maxTokens, options, listener), this::cancelIfOpen);
    }

    /** {@link #prefill} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Void> prefillAsync(int[] ids, Executor executor) {
        return async(executor, () -> {
            prefill(ids);
            return null;
        });
    }

    /** {@link #prefillCached} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Void> prefillCachedAsync(Cache cache, int[] ids, Executor executor) {
        return async(executor, () -> {
            prefillCached(cache, ids);
            return null;
        });
    }

    /** {@link #prefillLogits} on an executor; cancelling the future cancels it. */
    public CompletableFuture<float[]> prefillLogitsAsync(int[] ids, int last, Executor executor) {
        return async(executor, () -> prefillLogits(ids, last));
    }

    /** {@link #score} on an executor; cancelling the future cancels it. */
    public CompletableFuture<float[]> scoreAsync(int[] ids, int scored, Executor executor) {
        return async(executor, () -> score(ids, scored));
    }

    /** {@link #generate} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Long> generateAsync(
            long maxTokens, SamplingOptions options, TokenListener listener, Executor executor) {
        return async(executor, () -> generate(maxTokens, options, listener));
    }

    /** {@link #generateText} on an executor; cancelling the future cancels it. */
    public CompletableFuture<String> generateTextAsync(long maxTokens, SamplingOptions options, Executor executor) {
        return async(executor, () -> generateText(maxTokens, options));
    }

    /** {@link #choose} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Choice> chooseAsync(List<String> texts, Executor executor) {
        return async(executor, () -> choose(texts));
    }

    private <T> CompletableFuture<T> async(Executor executor, Supplier<T> work) {
        return Async.run(executor, this::cancelIfOpen, work);
    }

    private void cancelIfOpen() {
        try {
            cancel();
        } catch (IllegalStateException closed) {
            // Then it is cancelled anyway.
        }
    }

    /**
     * Reads the text that follows best, each taken as a whole.
     *
     * @param texts 1 to 4096 of a token or more
     * @throws SipoException INVALID_STATE before the first token, CANCELLED
     */
    public Choice choose(List<String> texts) {
        long choice = Native.new_Choice();
        try {
            for (String text : texts) {
                Native.Choice_add(choice, Library.utf8(text));
            }
            int index = handle.use((long session) -> (int) Native.Choice_make(choice, session));
            return new Choice(index, Native.Choice_log_probabilities(choice));
        } finally {
            Native.delete_Choice(choice);
        }
    }

    /** A session that stands where this one stands and goes its own way. The two share threads. */
    public Session fork() {
        return new Session(handle.use(Native::Session_fork), vocabSize);
    }

    /** Keeps where the session stands under a name of 1 to 255 bytes, in memory. */
    public void checkpoint(String name) {
        byte[] text = Library.utf8(name);
        handle.run((long session) -> Native.Session_checkpoint(session, text));
    }

    /**
     * Back to that checkpoint, which stays.
     *
     * @throws SipoException NOT_FOUND names the ones there are
     */
    public void rewind(String name) {
        byte[] text = Library.utf8(name);
        handle.run((long session) -> Native.Session_rewind(session, text));
    }

    /** Forgets that checkpoint. */
    public void dropCheckpoint(String name) {
        byte[] text = Library.utf8(name);
        handle.run((long session) -> Native.Session_drop_checkpoint(session, text));
    }

    /** Saves with default options. */
    public void save(Path path) {
        save(path, new SnapshotOptions());
    }

    /**
     * Saves the session to a file, which appears complete or not at all.
     *
     * @throws SipoException IO_ERROR
     */
    public void save(Path path, SnapshotOptions options) {
        byte[] file = Library.utf8(path.toString());
        options.use(
                (long chosen) -> {
                    handle.run((long session) -> Native.Session_save(session, file, chosen));
                    return null;
                });
    }

    /**
     * Goes on where the session of a snapshot stood: one of the same model, context method and options. If it is
     * refused, the session is as it was.
     *
     * @throws SipoException INVALID_ARGUMENT for another model or other options, CORRUPT_FILE, UNSUPPORTED (a newer
     *     format), NOT_FOUND, IO_ERROR
     */
    public void load(Path path) {
        byte[] file = Library.utf8(path.toString());
        handle.run((long session) -> Native.Session_load(session, file));
    }

    /** Saves to memory. */
    public byte[] saveMemory() {
        return saveMemory(new SnapshotOptions());
    }

    /** Saves to memory. */
    public byte[] saveMemory(SnapshotOptions options) {
        return options.use(
                (long chosen) -> handle.use((long session) -> Native.Session_save_memory(session, chosen)));
    }

    /** As {@link #load}, from memory. */
    public void loadMemory(byte[] snapshot) {
        Objects.requireNonNull(snapshot, "snapshot");
        handle.run((long session) -> Native.Session_load_memory(session, snapshot));
    }

    /** Facts about the last prompt and the last generation. */
    public SessionStatistics statistics() {
        return handle.use((long session) -> SessionStatistics.of(new Facts(Native.Session_statistics(session))));
    }

    /** A hash of all tokens read so far, as {@link Model#tokenHash} gives. */
    public long tokenHash() {
        return handle.use(Native::Session_token_hash);
    }

    /** The token with the largest logit, known without fetching them: the greedy choice. */
    public int likeliest() {
        return handle.use(Native::Session_likeliest);
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
        cancelIfOpen();
        handle.close();
    }
}
