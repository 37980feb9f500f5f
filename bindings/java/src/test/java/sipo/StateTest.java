package sipo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Snapshots, forks, checkpoints, prefix caches, shared threads, memory. */
class StateTest {
    private static final Model model = Model.open(Story.MODEL);
    private static final int[] text = model.tokenize(Story.TEXT);

    @AfterAll
    static void close() {
        model.close();
    }

    private static SessionOptions options(Context context) {
        return new SessionOptions().context(context).decimationCapacity(100).threads(1).chunkTokens(64);
    }

    @Test
    void goesOnFromSnapshots() throws Exception {
        SamplingOptions lively = new SamplingOptions().temperature(1).seed(3).ignoreEndOfText(true).resume(true);
        for (Context context : Context.values()) {
            try (Session session = model.newSession(options(context));
                    Session other = model.newSession(options(context).threads(2))) {
                session.prefill(Arrays.copyOf(text, 300));
                session.generateText(5, lively);
                Path file = Story.OUTPUT.resolve("java.sipo-state");
                session.save(file);
                session.save(file, new SnapshotOptions().store(Store.ZSTD).flush(false));
                byte[] raw = session.saveMemory();
                byte[] packed = session.saveMemory(new SnapshotOptions().store(Store.ZSTD));
                assertTrue(packed.length < raw.length);
                String expected = session.generateText(20, lively);
                List<Runnable> ways =
                        List.of(() -> other.load(file), () -> other.loadMemory(raw), () -> other.loadMemory(packed));
                for (Runnable load : ways) {
                    other.reset();
                    load.run();
                    assertEquals(305, other.position());
                    assertEquals(expected, other.generateText(20, lively));
                    assertEquals(session.tokenHash(), other.tokenHash());
                }
                Files.delete(file);
            }
        }
    }

    @Test
    void refusesOtherSnapshots() {
        try (Session session = Story.started(model, new SessionOptions());
                Session other = model.newSession(options(Context.DECIMAMBA))) {
            byte[] snapshot = session.saveMemory();
            long before = session.position();
            Story.fails(Status.INVALID_ARGUMENT, () -> other.loadMemory(snapshot));
            snapshot[snapshot.length / 2] ^= 1;
            Story.fails(Status.CORRUPT_FILE, () -> session.loadMemory(snapshot));
            Story.fails(Status.CORRUPT_FILE, () -> session.loadMemory(new byte[100]));
            Story.fails(Status.NOT_FOUND, () -> session.load(Path.of("no-such-state")));
            Story.fails(Status.INVALID_ARGUMENT, () -> session.rewind("a\0b"));
            Story.fails(Status.NOT_FOUND, () -> session.save(Path.of("no-such-folder/state")));
            assertThrows(NullPointerException.class, () -> session.loadMemory(null));
            assertEquals(before, session.position());
        }
    }

    @Test
    void forksAndRewinds() {
        Session session = Story.started(model, new SessionOptions());
        session.checkpoint("start");
        String expected = session.generateText(12, Story.ENDLESS);
        session.rewind("start");
        try (Session fork = session.fork()) {
            fork.decode(9);
            assertNotEquals(session.tokenHash(), fork.tokenHash());
            assertEquals(expected, session.generateText(12, Story.ENDLESS));
            session.close();
            assertEquals(4, fork.generate(4, Story.ENDLESS, (token, piece) -> true));
            Story.fails(Status.NOT_FOUND, () -> fork.rewind("start"));
            fork.checkpoint("end");
            fork.dropCheckpoint("end");
            Story.fails(Status.NOT_FOUND, () -> fork.dropCheckpoint("end"));
        }
        assertThrows(IllegalStateException.class, session::fork);
        assertThrows(IllegalStateException.class, session::saveMemory);
    }

    /** Cancelling what one does leaves the other alone, though they share a listener. */
    @Test
    void forksAreCancelledAlone() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(2);
        try (Session session = Story.started(model, new SessionOptions().progress((done, total) -> true));
                Session fork = session.fork()) {
            Future<Void> kept = session.prefillAsync(Arrays.copyOf(text, 4000), pool);
            fork.prefillAsync(text, pool).cancel(true);
            kept.get();
        }
        pool.shutdown();
    }

    @Test
    void readsThroughACache() throws Exception {
        Path directory = Files.createDirectories(Story.OUTPUT.resolve("java-cache"));
        CacheOptions kept = new CacheOptions().memory(1 << 26).interval(256).directory(directory, 1 << 28);
        int[] prompt = Arrays.copyOf(text, 1500);
        int[] other = prompt.clone();
        other[1499] = prompt[3];
        try (Cache filled = model.newCache(kept);
                Session first = model.newSession(options(Context.NONE));
                Session second = model.newSession(options(Context.NONE));
                Session without = model.newSession(options(Context.NONE))) {
            filled.clear();
            first.prefillCached(filled, prompt);
            assertEquals(0, first.statistics().reusedTokens());
            second.prefillCached(filled, other);
            without.prefill(other);
            assertArrayEquals(without.logits(), second.logits());
            assertTrue(second.statistics().reusedTokens() >= 1400, second.statistics().toString());
            CacheStatistics statistics = filled.statistics();
            assertEquals(2, statistics.prompts());
            assertEquals(1, statistics.promptsReusing());
            assertEquals(second.statistics().reusedTokens(), statistics.tokensReused());
            assertTrue(statistics.bytes() > 0 && statistics.directoryBytes() > 0);
        }
        Cache cache = model.newCache(kept);
        try (Session session = model.newSession(options(Context.NONE))) {
            session.prefillCached(cache, prompt);
            assertEquals(1500, session.statistics().reusedTokens());
            cache.clear();
            assertEquals(0, cache.statistics().directoryBytes());
            cache.close();
            cache.close();
            assertThrows(IllegalStateException.class, cache::statistics);
            assertThrows(IllegalStateException.class, () -> session.prefillCached(cache, 1));
        }
        Story.fails(Status.OUT_OF_RANGE, () -> model.newCache(new CacheOptions().interval(1)));
        Story.fails(Status.OUT_OF_RANGE, () -> model.newCache(new CacheOptions().memory(-1)));
        Path impossible = Path.of(Story.MODEL, "folder");
        Story.fails(Status.IO_ERROR, () -> model.newCache(new CacheOptions().directory(impossible, 1)));
    }

    @Test
    void sharesThreads() throws Exception {
        int[] prompt = Arrays.copyOf(text, 500);
        ExecutorService pool = Executors.newFixedThreadPool(8);
        Workers workers = model.newWorkers(2);
        Callable<String> answer =
                () -> {
                    try (Session session = model.newSession(options(Context.NONE).workers(workers))) {
                        session.prefill(prompt);
                        return session.generateText(8, Story.ENDLESS);
                    }
                };
        String expected = answer.call();
        for (Future<String> each : pool.invokeAll(Collections.nCopies(8, answer))) {
            assertEquals(expected, each.get());
        }
        workers.close();
        assertThrows(IllegalStateException.class, answer::call);
        Story.fails(Status.OUT_OF_RANGE, () -> model.newWorkers(-1));
        pool.shutdown();
    }

    @Test
    void tellsMemoryAndKeepsLimits() {
        long session = model.sessionMemory(options(Context.NONE), 1000);
        assertTrue(session > model.stateBytes());
        assertTrue(model.sessionMemory(options(Context.DECIMAMBA), 100_000) > session);
        assertTrue(Model.memory(Path.of(Story.MODEL)) >= model.weightBytes());
        Story.fails(Status.OUT_OF_MEMORY, () -> model.newSession(options(Context.NONE).memoryLimit(1000)));
        ModelOptions limited = new ModelOptions().deviceMemoryLimit(1L << 40).memoryLimit(1000);
        Story.fails(Status.OUT_OF_MEMORY, () -> Model.open(Story.MODEL, limited));
        Story.fails(Status.NOT_FOUND, () -> Model.memory(Path.of("no-such-model")));
        Story.fails(Status.OUT_OF_RANGE, () -> model.sessionMemory(options(Context.NONE), 0));
        try (Session read = Story.started(model, new SessionOptions())) {
            assertEquals(Model.tokenHash(model.tokenize("The old man looked at the sea and")), read.tokenHash());
            assertFalse(read.tokenHash() == Model.tokenHash(1));
        }
    }

    @Test
    void keepsMemoryFlat() throws Exception {
        try (Session session = Story.started(model, new SessionOptions())) {
            byte[] wrong = new byte[1000];
            Story.staysFlat(
                    "1,000 snapshots, forks and checkpoints",
                    1000,
                    () -> {
                        session.loadMemory(session.saveMemory());
                        session.checkpoint("here");
                        session.fork().close();
                        assertThrows(SipoException.class, () -> session.loadMemory(wrong));
                    });
        }
    }
}
