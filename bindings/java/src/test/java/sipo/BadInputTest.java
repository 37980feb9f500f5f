package sipo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Everything that must give an exception, and never end the VM. */
class BadInputTest {
    private static final Model model = Model.open(Story.MODEL);

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void refusesFiles() throws Exception {
        Path garbage = Story.OUTPUT.resolve("java-garbage.sipo");
        Files.writeString(garbage, "no model at all, but long enough to look like something".repeat(10));
        Story.fails(Status.CORRUPT_FILE, () -> Model.open(garbage));
        Story.fails(Status.NOT_FOUND, () -> Model.open("no-such-file \ud83d\ude00.sipo"));
        Story.fails(Status.INVALID_ARGUMENT, () -> Model.open(Story.MODEL + "\0.txt"));
        Story.fails(Status.NOT_FOUND, () -> Model.open(Story.MODEL, new ModelOptions().backend("abacus")));
        Story.fails(Status.OUT_OF_RANGE, () -> Model.open(Story.MODEL, new ModelOptions().threads(-1)));
    }

    @Test
    void refusesSessionOptions() {
        List<Consumer<SessionOptions>> outOfRange =
                List.of(
                        o -> o.decimationRate(0),
                        o -> o.decimationRate(Double.NaN),
                        o -> o.decimationCapacity(0),
                        o -> o.decimationMinTokens(-1),
                        o -> o.protectedTail(0),
                        o -> o.layers(8),
                        o -> o.layers(-1),
                        o -> o.globalChannelThreshold(1),
                        o -> o.expectedTokens(-1),
                        o -> o.threads(257),
                        o -> o.chunkTokens(0));
        for (Consumer<SessionOptions> set : outOfRange) {
            SessionOptions options = new SessionOptions();
            set.accept(options);
            Story.fails(Status.OUT_OF_RANGE, () -> model.newSession(options));
        }
        Story.fails(Status.INVALID_ARGUMENT, () -> model.newSession(new SessionOptions().layers(1, 1)));
        Story.fails(Status.NOT_FOUND, () -> model.newSession(new SessionOptions().profile("none")));
        assertThrows(NullPointerException.class, () -> new SessionOptions().layers((int[]) null));
        SessionOptions all = new SessionOptions().context(Context.LONGMAMBA).allLayers().layers(1, 2);
        all.filteredChannels(Channels.RANDOM, -5).globalChannelThreshold(0.5).expectedTokens(9);
        all.decimationRate(1).decimationMinTokens(3).protectedTail(2).profile("default").allLayers();
        Story.started(model, all).close();
    }

    @Test
    void refusesSamplingOptions() {
        List<SamplingOptions> outOfRange =
                List.of(
                        new SamplingOptions().temperature(-1),
                        new SamplingOptions().topK(-1),
                        new SamplingOptions().topP(0),
                        new SamplingOptions().minP(2),
                        new SamplingOptions().repetitionPenalty(0, 1),
                        new SamplingOptions().repetitionPenalty(1, -1));
        try (Session session = Story.started(model, new SessionOptions())) {
            for (SamplingOptions options : outOfRange) {
                Story.fails(Status.OUT_OF_RANGE, () -> session.generate(1, options, (token, text) -> true));
            }
        }
    }

    @Test
    void refusesNullAndNegative() {
        try (Session session = Story.started(model, new SessionOptions())) {
            int[] none = null;
            assertThrows(NullPointerException.class, () -> session.prefill(none));
            assertThrows(NullPointerException.class, () -> session.score(none, 1));
            assertThrows(NullPointerException.class, () -> session.prefillLogits(none, 1));
            assertThrows(NullPointerException.class, () -> session.logits(null));
            assertThrows(NullPointerException.class, () -> session.generate(1, null));
            assertThrows(NullPointerException.class, () -> model.tokenize(null));
            assertThrows(NullPointerException.class, () -> model.detokenize(none));
            assertThrows(NullPointerException.class, () -> model.newSession(null));
            assertThrows(NullPointerException.class, () -> model.calibrate(null, 2));
            assertThrows(NullPointerException.class, () -> Model.open((String) null));
            int[] ids = {1, 2, 3};
            assertThrows(IllegalArgumentException.class, () -> session.score(ids, -1));
            assertThrows(IllegalArgumentException.class, () -> session.prefillLogits(ids, -1));
            assertThrows(IllegalArgumentException.class, () -> session.generate(-1, (t, s) -> true));
            assertThrows(IllegalArgumentException.class, () -> model.calibrate(ids, -1));
            assertThrows(IllegalArgumentException.class, () -> Session.decodeTogether(List.of(session)));
            Story.fails(Status.OUT_OF_RANGE, () -> session.generate(0, (t, s) -> true));
            Story.fails(Status.OUT_OF_RANGE, () -> session.prefillLogits(ids, 4));
            Story.fails(Status.OUT_OF_RANGE, () -> session.decode(4096));
            Story.fails(Status.OUT_OF_RANGE, () -> session.prefill());
            assertEquals(0, model.tokenize("").length);
        }
        try (Session fresh = model.newSession()) {
            Story.fails(Status.INVALID_STATE, fresh::logits);
            Story.fails(Status.INVALID_STATE, () -> fresh.generate(1, (t, s) -> true));
        }
    }

    @Test
    void refusesWhatIsClosed() {
        Model other = Model.open(Story.MODEL);
        Session session = Story.started(other, new SessionOptions());
        Calibration calibration = other.calibrate(other.tokenize(Story.TEXT.substring(0, 999)), 64);
        other.close();
        other.close();
        assertThrows(IllegalStateException.class, other::layers);
        assertThrows(IllegalStateException.class, other::newSession);
        // A closed model leaves its sessions alone.
        assertEquals(3, session.generate(3, Story.ENDLESS, (token, text) -> true));
        calibration.close();
        calibration.close();
        assertThrows(IllegalStateException.class, calibration::lengths);
        assertThrows(
                IllegalStateException.class,
                () -> model.newSession(new SessionOptions().calibration(calibration)));
        session.close();
        session.close();
        assertThrows(IllegalStateException.class, () -> session.prefill(1));
        assertThrows(IllegalStateException.class, session::cancel);
        assertThrows(IllegalStateException.class, () -> Session.decodeTogether(List.of(session), 1));
    }

    @Test
    void closesUnderARunningCall() throws Exception {
        for (int round = 0; round < 20; ++round) {
            Session session = Story.started(model, new SessionOptions());
            CountDownLatch running = new CountDownLatch(1);
            Thread other = Story.after(running, session::close);
            Story.fails(
                    Status.CANCELLED,
                    () ->
                            session.generate(
                                    1L << 40,
                                    Story.ENDLESS,
                                    (token, text) -> {
                                        running.countDown();
                                        return true;
                                    }));
            other.join();
            assertThrows(IllegalStateException.class, session::position);
        }
    }

    @Test
    void refusesTheSessionInsideItsCallback() {
        try (Session session = Story.started(model, new SessionOptions())) {
            long count =
                    session.generate(
                            2,
                            Story.ENDLESS,
                            (token, text) -> {
                                Story.fails(Status.INVALID_STATE, session::logits);
                                return true;
                            });
            assertEquals(2, count);
        }
    }

    @Test
    void keepsMemoryFlatOverErrors() throws Exception {
        try (Session session = Story.started(model, new SessionOptions())) {
            int[] wrong = {1, 2, -3};
            SessionOptions bad = new SessionOptions().decimationRate(2);
            ProgressListener throwing = Story.throwing(new Story.Own());
            try (Session failing = model.newSession(new SessionOptions().threads(1).progress(throwing))) {
                int[] one = {1};
                Story.staysFlat(
                        "400,000 errors",
                        100_000,
                        () -> {
                            assertThrowsFast(() -> session.prefill(wrong));
                            assertThrowsFast(() -> model.newSession(bad));
                            assertThrowsFast(() -> Model.open("no-such-file-with-a-name-of-some-length.sipo"));
                            assertThrowsFast(() -> session.decode(9999));
                        });
                Story.staysFlat("2,000 thrown by a listener", 2000, () -> assertThrowsFast(() -> failing.prefill(one)));
            }
        }
    }

    private static void assertThrowsFast(Runnable call) {
        try {
            call.run();
        } catch (SipoException | Story.Own e) {
            return;
        }
        assertTrue(false, "no exception");
    }

    @Test
    void keepsMemoryFlatOverSessions() throws Exception {
        Story.staysFlat(
                "10,000 sessions",
                10_000,
                () -> {
                    try (Session session = model.newSession(new SessionOptions().threads(1))) {
                        session.decode(1);
                    }
                });
    }

    /** A session that is freed lets go of its listener. */
    @Test
    void freesForgottenSessions() throws Exception {
        List<WeakReference<ProgressListener>> listeners = new ArrayList<>();
        for (int i = 0; i < 500; ++i) {
            int number = i;
            ProgressListener own = (done, total) -> done >= -number;
            listeners.add(new WeakReference<>(own));
            model.newSession(new SessionOptions().threads(1).progress(own)).decode(1);
        }
        for (int patience = 0; ; ++patience) {
            System.gc();
            // The last one may still be on the stack.
            long left = listeners.stream().filter(listener -> listener.get() != null).count();
            if (left <= 1) {
                break;
            }
            assertTrue(patience < 100, left + " forgotten sessions are not freed");
            Thread.sleep(10);
        }
    }
}
