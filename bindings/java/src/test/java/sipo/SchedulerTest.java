package sipo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Many requests on one scheduler. */
class SchedulerTest {
    private static final Model model = Model.open(Story.MODEL);
    private static final int[] text = model.tokenize(Story.TEXT);
    private static final SessionOptions PLAIN = new SessionOptions();

    @AfterAll
    static void close() {
        model.close();
    }

    private static String alone(int[] prompt, SessionOptions options, SamplingOptions sampling, int tokens) {
        try (Session session = model.newSession(options)) {
            session.prefill(prompt);
            return session.generateText(tokens, sampling);
        }
    }

    @Test
    void servesEightThreads() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try (Scheduler scheduler = model.newScheduler(new SchedulerOptions().threads(2).chunkTokens(64))) {
            List<Callable<Void>> clients = new ArrayList<>();
            for (int i = 0; i < 48; ++i) {
                int[] prompt = Arrays.copyOf(text, 20 + 7 * i);
                SessionOptions options =
                        new SessionOptions().context(Context.values()[i % 3]).decimationCapacity(50);
                SamplingOptions sampling =
                        new SamplingOptions().temperature(0.8).seed(i).ignoreEndOfText(true).stop(" the");
                clients.add(
                        () -> {
                            try (Request request = scheduler.submit(prompt, 10, options, sampling)) {
                                assertEquals(alone(prompt, options, sampling, 10), request.text());
                                assertEquals(Optional.empty(), request.next());
                                assertEquals(prompt.length, request.statistics().promptDone());
                            }
                            return null;
                        });
            }
            for (Future<Void> client : pool.invokeAll(clients)) {
                client.get();
            }
            SchedulerStatistics statistics = scheduler.statistics();
            assertEquals(48, statistics.submitted());
            assertEquals(48, statistics.finished());
            assertTrue(statistics.busySeconds() > 0);
        }
        pool.shutdown();
    }

    @Test
    void streamsAndCancels() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(1);
        try (Scheduler scheduler = model.newScheduler()) {
            int[] prompt = {1, 2, 3};
            try (Request request = scheduler.submit(prompt, 1L << 40, PLAIN, Story.ENDLESS)) {
                try (Stream<Token> tokens = request.tokens()) {
                    assertEquals(7, tokens.limit(7).count());
                }
                Story.fails(Status.CANCELLED, request::text);
                assertEquals(Finish.CANCELLED, request.statistics().finish());
            }
            try (Request request = scheduler.submit(prompt, 1L << 40, PLAIN, Story.ENDLESS)) {
                CompletableFuture<String> answer = request.textAsync(pool);
                answer.cancel(true);
                assertThrows(CancellationException.class, answer::get);
                // One thread: this comes when the cancelled call has ended.
                pool.submit(() -> {}).get();
            }
            try (Request request = scheduler.submit(text, 5)) {
                Story.fails(Status.TIMED_OUT, () -> request.next(Duration.ZERO));
                Thread waiting = Thread.currentThread();
                CompletableFuture.runAsync(waiting::interrupt);
                Story.fails(Status.CANCELLED, request::text);
                Thread.interrupted();
            }
            Request request = scheduler.submit(text, 5);
            Thread other = new Thread(request::close);
            other.start();
            Throwable ended = assertThrows(RuntimeException.class, request::text);
            assertTrue(ended instanceof IllegalStateException || ended instanceof SipoException, ended.toString());
            other.join();
            assertThrows(IllegalStateException.class, request::next);
            assertThrows(IllegalStateException.class, request::cancel);
            request.close();
        }
        pool.shutdown();
    }

    @Test
    void letsThrowablesOfListenersThrough() {
        Story.Own own = new Story.Own();
        try (Scheduler scheduler = model.newScheduler()) {
            SessionOptions throwing = new SessionOptions().progress(Story.throwing(own));
            try (Request request = scheduler.submit(text, 5, throwing, new SamplingOptions())) {
                assertSame(own, assertThrows(Story.Own.class, request::text));
            }
            SamplingOptions sampling =
                    new SamplingOptions().logProbabilities(
                            1,
                            (token, likeliest) -> {
                                throw own;
                            });
            try (Request request = scheduler.submit(new int[] {1}, 5, PLAIN, sampling)) {
                assertSame(own, assertThrows(Story.Own.class, request::text));
            }
            CountDownLatch told = new CountDownLatch(1);
            SessionOptions telling =
                    new SessionOptions().progress(
                            (done, total) -> {
                                told.countDown();
                                return true;
                            });
            assertFalse(scheduler.submit(Arrays.copyOf(text, 100), 3, telling, Story.ENDLESS).text().isEmpty());
            assertEquals(0, told.getCount());
        }
    }

    @Test
    void refuses() {
        Story.fails(Status.OUT_OF_RANGE, () -> model.newScheduler(new SchedulerOptions().sessions(0)));
        Story.fails(Status.OUT_OF_RANGE, () -> model.newScheduler(new SchedulerOptions().queue(0)));
        Story.fails(Status.OUT_OF_RANGE, () -> model.newScheduler(new SchedulerOptions().threads(-1)));
        Story.fails(Status.OUT_OF_MEMORY, () -> model.newScheduler(new SchedulerOptions().memoryLimit(1000)));
        Scheduler scheduler = model.newScheduler(new SchedulerOptions().sessions(1).queue(1));
        assertThrows(NullPointerException.class, () -> scheduler.submit(null, 1));
        assertThrows(IllegalArgumentException.class, () -> scheduler.submit(text, -1));
        Story.fails(Status.OUT_OF_RANGE, () -> scheduler.submit(new int[] {-1}, 1));
        Story.fails(Status.OUT_OF_RANGE, () -> scheduler.submit(new int[0], 1));
        Story.fails(Status.OUT_OF_RANGE, () -> scheduler.submit(text, 1, new SessionOptions().decimationRate(2), Story.ENDLESS));
        List<Request> requests = new ArrayList<>();
        Story.fails(
                Status.BUSY,
                () -> {
                    for (int i = 0; i < 5; ++i) {
                        requests.add(scheduler.submit(text, 1));
                    }
                });
        assertEquals(1, scheduler.statistics().refused());
        scheduler.close();
        scheduler.close();
        for (Request request : requests) {
            Story.fails(Status.CANCELLED, request::text);
            request.close();
        }
        assertThrows(IllegalStateException.class, () -> scheduler.submit(text, 1));
        assertThrows(IllegalStateException.class, scheduler::statistics);
    }

    @Test
    void outlivesModelAndCache() {
        Model other = Model.open(Story.MODEL);
        Cache cache = other.newCache();
        try (Scheduler scheduler = other.newScheduler(new SchedulerOptions().cache(cache))) {
            cache.close();
            other.close();
            int[] prompt = Arrays.copyOf(text, 400);
            String first = scheduler.submit(prompt, 5).text();
            try (Request again = scheduler.submit(prompt, 5)) {
                assertEquals(first, again.text());
                assertEquals(400, again.statistics().reusedTokens());
            }
            assertEquals(400, scheduler.statistics().reusedTokens());
        }
    }

    @Test
    void keepsMemoryFlat() throws Exception {
        try (Scheduler scheduler = model.newScheduler()) {
            int[] prompt = {1, 2, 3};
            int[] wrong = {-1};
            SessionOptions telling = new SessionOptions().progress((done, total) -> true);
            Story.staysFlat(
                    "4,000 requests",
                    1000,
                    () -> {
                        List<Request> requests = new ArrayList<>();
                        for (int i = 0; i < 4; ++i) {
                            requests.add(scheduler.submit(prompt, 2, telling, Story.ENDLESS));
                        }
                        Collections.reverse(requests);
                        requests.forEach(Request::text);
                        requests.forEach(Request::close);
                        assertThrows(SipoException.class, () -> scheduler.submit(wrong, 1));
                    });
        }
    }
}
