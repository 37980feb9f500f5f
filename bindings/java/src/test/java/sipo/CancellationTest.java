package sipo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Every long call ends with its future: before it begins, while it runs, and never the one before it. */
class CancellationTest {
    private static final Model model = Model.open(Story.MODEL);
    private static final int[] text = model.tokenize(Story.TEXT);
    private static final List<String> choices = Collections.nCopies(2000, Story.TEXT.substring(0, 400));
    /** One thread: what comes next comes when the cancelled call has ended. */
    private static final ExecutorService pool = Executors.newSingleThreadExecutor();

    @AfterAll
    static void close() {
        pool.shutdown();
        model.close();
    }

    /** Until the pool's thread has done all that it was given. */
    private static void drain() {
        CompletableFuture.runAsync(() -> {}, pool).join();
    }

    /** Cancels while another call holds the thread, and again and again after it has the thread. */
    private static void cancels(Supplier<CompletableFuture<?>> start) throws Exception {
        CountDownLatch held = new CountDownLatch(1);
        pool.execute(() -> Story.await(held));
        start.get().cancel(true);
        held.countDown();
        for (long delay : new long[] {0, 0, 1, 20}) {
            CompletableFuture<?> future = start.get();
            Thread.sleep(delay);
            assertTrue(future.cancel(true));
            assertThrows(CancellationException.class, future::get);
        }
        drain();
    }

    @Test
    void endsTheCallsOfASession() throws Exception {
        try (Session session = Story.started(model, new SessionOptions().chunkTokens(64));
                Cache cache = model.newCache()) {
            long before = session.position();
            cancels(() -> session.prefillAsync(text, pool));
            cancels(() -> session.prefillCachedAsync(cache, text, pool));
            cancels(() -> session.prefillLogitsAsync(text, 1, pool));
            cancels(() -> session.scoreAsync(text, 1, pool));
            cancels(() -> session.chooseAsync(choices, pool));
            assertEquals(before, session.position());
            cancels(() -> session.generateTextAsync(1L << 40, Story.ENDLESS, pool));
            cancels(() -> session.generateAsync(1L << 40, Story.ENDLESS, (token, piece) -> true, pool));
            assertEquals(4, session.generateAsync(4, Story.ENDLESS, (token, piece) -> true, pool).get());
        }
    }

    @Test
    void givesResults() throws Exception {
        int[] few = Arrays.copyOf(text, 10);
        try (Session session = Story.started(model, new SessionOptions());
                Cache cache = model.newCache()) {
            assertEquals(2 * model.vocabSize(), session.prefillLogitsAsync(few, 2, pool).get().length);
            assertEquals(3, session.scoreAsync(few, 3, pool).get().length);
            assertNull(session.prefillCachedAsync(cache, few, pool).get());
            session.checkpoint("start");
            String likely = session.generateTextAsync(2, Story.ENDLESS, pool).get();
            session.rewind("start");
            assertEquals(1, session.chooseAsync(List.of("\u2603 zebra", likely), pool).get().index());
            Future<Choice> failing = session.chooseAsync(List.of(), pool);
            Throwable cause = assertThrows(ExecutionException.class, failing::get).getCause();
            assertEquals(Status.OUT_OF_RANGE, assertInstanceOf(SipoException.class, cause).status());
        }
        Model.openAsync(Story.MODEL, new ModelOptions(), pool).get().close();
        model.calibrateAsync(few, 5, new CalibrationOptions(), pool).get().close();
        Analysis analysis = model.analyzeAsync(few, new SessionOptions(), new AnalysisOptions(), pool).get();
        assertEquals(model.layers(), analysis.layers().size());
    }

    @Test
    void leavesWhatRunsBeforeIt() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        SessionOptions options = new SessionOptions().progress((done, total) -> {
            running.countDown();
            return true;
        });
        try (Session session = model.newSession(options)) {
            Future<Void> reading = session.prefillAsync(Arrays.copyOf(text, 8000), pool);
            running.await();
            session.prefillAsync(text, pool).cancel(true);
            reading.get();
            drain();
            assertEquals(8000, session.position());
        }
    }

    /** The future is cancelled when work reports progress, which is the last that its listener hears. */
    private static void endsWithItsFuture(Function<ProgressListener, CompletableFuture<?>> start) throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch cancelled = new CountDownLatch(1);
        AtomicInteger heard = new AtomicInteger();
        CompletableFuture<?> future = start.apply((done, total) -> {
            heard.incrementAndGet();
            running.countDown();
            Story.await(cancelled);
            return true;
        });
        future.whenComplete((result, failure) -> running.countDown());  // it may fail before it reports
        running.await();
        assertTrue(future.cancel(true), () -> future.handle((result, failure) -> "ended with " + failure).join());
        cancelled.countDown();
        drain();
        assertEquals(1, heard.get());
    }

    @Test
    void endsTheCallsOfAModel() throws Exception {
        endsWithItsFuture(listener -> Model.openAsync(Story.MODEL, new ModelOptions().progress(listener), pool));
        endsWithItsFuture(
                listener -> model.calibrateAsync(text, 64, new CalibrationOptions().progress(listener), pool));
        endsWithItsFuture(
                listener ->
                        model.analyzeAsync(
                                text, new SessionOptions(), new AnalysisOptions().progress(listener), pool));
    }

    /** Nothing is left of them but the empty directory of an export. */
    @Test
    void endsConversions() throws Exception {
        Path output = Story.OUTPUT.resolve("java-cancelled");
        Files.deleteIfExists(output);
        String to = output.toString();
        ImportOptions options = new ImportOptions().threads(1);
        endsWithItsFuture(
                listener -> Model.importCheckpointAsync(Story.CHECKPOINT, to, options.progress(listener), pool));
        endsWithItsFuture(listener -> Model.quantizeAsync(Story.MODEL, to, options.progress(listener), pool));
        endsWithItsFuture(listener -> Model.writePresetAsync("mamba-130m", to, options.progress(listener), pool));
        assertFalse(Files.exists(output));
        endsWithItsFuture(
                listener -> Model.exportCheckpointAsync(Story.MODEL, to, options.progress(listener), pool));
        Files.delete(output);
    }

    @Test
    void keepsMemoryFlat() throws Exception {
        try (Session session = Story.started(model, new SessionOptions())) {
            Story.staysFlat(
                    "1,000 cancelled choices and openings",
                    1000,
                    () -> {
                        session.chooseAsync(choices, pool).cancel(true);
                        Model.openAsync(Story.MODEL, new ModelOptions(), pool).cancel(true);
                    },
                    CancellationTest::drain);
        }
    }
}
