package sipo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Listeners that stop or throw, and cancelling from elsewhere. */
class CallbackTest {
    private static final Model model = Model.open(Story.MODEL);
    private static final int[] longPrompt = model.tokenize(Story.TEXT);

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void letsThrowablesThrough() {
        Story.Own own = new Story.Own();
        ProgressListener progress = Story.throwing(own);
        try (Session session = model.newSession(new SessionOptions().progress(progress))) {
            assertSame(own, assertThrows(Story.Own.class, () -> session.prefill(1, 2, 3)));
            assertSame(own, assertThrows(Story.Own.class, () -> session.score(new int[] {1, 2, 3}, 1)));
            assertEquals(0, session.position());
            session.decode(1);
            TokenListener tokens =
                    (token, text) -> {
                        throw own;
                    };
            assertSame(own, assertThrows(Story.Own.class, () -> session.generate(5, Story.ENDLESS, tokens)));
            assertEquals(2, session.position());
            Story.fails(Status.OUT_OF_RANGE, () -> session.prefill(-1));
            assertEquals(2, session.generate(2, Story.ENDLESS, (token, text) -> true));
        }
        assertThrows(Story.Own.class, () -> Model.open(Story.MODEL, new ModelOptions().progress(progress)));
        assertThrows(
                Story.Own.class,
                () -> model.calibrate(longPrompt, 64, new CalibrationOptions().progress(progress)));
        LogListener log =
                (level, line) -> {
                    throw own;
                };
        assertThrows(Story.Own.class, () -> Model.open(Story.MODEL, new ModelOptions().log(log)));
    }

    @Test
    void logsAndReports() {
        List<String> lines = Collections.synchronizedList(new ArrayList<>());
        List<Long> done = new ArrayList<>();
        ModelOptions options = new ModelOptions().backend("cpu").threads(1);
        options.log((level, line) -> lines.add(level + line)).progress((now, total) -> done.add(now));
        try (Model logged = Model.open(Story.MODEL, options)) {
            Story.started(logged, new SessionOptions()).close();
        }
        assertFalse(lines.isEmpty());
        assertTrue(lines.get(0).startsWith("INFORMATION"));
        assertFalse(done.isEmpty());
    }

    @Test
    void cancelsWhenProgressSaysSo() {
        SessionOptions options = new SessionOptions().chunkTokens(64).progress((done, total) -> done < 200);
        try (Session session = model.newSession(options)) {
            Story.fails(Status.CANCELLED, () -> session.prefill(longPrompt));
            assertEquals(0, session.position());
        }
    }

    @Test
    void cancelsFromAnotherThread() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        SessionOptions options = new SessionOptions().chunkTokens(16);
        options.progress(
                (done, total) -> {
                    running.countDown();
                    return true;
                });
        try (Session session = model.newSession(options)) {
            Thread other = Story.after(running, session::cancel);
            Story.fails(Status.CANCELLED, () -> session.prefill(longPrompt));
            other.join();
            assertEquals(0, session.position());
        }
    }

    @Test
    void cancelsWithTheFuture() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(1);
        try (Session session = model.newSession()) {
            session.prefillAsync(new int[] {1, 2, 3}, pool).get();
            CompletableFuture<Void> reading = session.prefillAsync(longPrompt, pool);
            reading.cancel(true);
            assertThrows(CancellationException.class, reading::get);
            CountDownLatch running = new CountDownLatch(1);
            CompletableFuture<Long> writing =
                    session.generateAsync(
                            1L << 40,
                            Story.ENDLESS,
                            (token, text) -> {
                                running.countDown();
                                return true;
                            },
                            pool);
            running.await();
            writing.cancel(true);
            // Only one thread: this comes when the cancelled call has ended.
            assertEquals(4, session.generateAsync(4, Story.ENDLESS, (token, text) -> true, pool).get());
            CompletableFuture<Void> failing = session.prefillAsync(new int[] {-1}, pool);
            Throwable cause = assertThrows(java.util.concurrent.ExecutionException.class, failing::get).getCause();
            assertEquals(Status.OUT_OF_RANGE, ((SipoException) cause).status());
        }
        pool.shutdown();
    }
}
