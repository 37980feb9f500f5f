package sipo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.function.Executable;

/** What the tests share. The environment says where things are. */
final class Story {
    static final String MODEL = setting("SIPO_TEST_MODEL");
    static final String CHECKPOINT = setting("SIPO_TEST_CHECKPOINT");
    static final Path OUTPUT = Path.of(setting("SIPO_TEST_OUTPUT"));
    static final String TEXT = read(setting("SIPO_TEST_TEXT")).substring(0, 120_000);
    static final String EXPECTED = read(setting("SIPO_TEST_TOKENS"));
    static final String ANALYSIS = read(setting("SIPO_TEST_ANALYSIS"));
    /** Never ends by itself. */
    static final SamplingOptions ENDLESS = new SamplingOptions().ignoreEndOfText(true);

    /** What listeners of the tests throw: not even an exception. */
    static final class Own extends Error {
        private static final long serialVersionUID = 1L;
    }

    private Story() {}

    static ProgressListener throwing(Own own) {
        return (done, total) -> {
            throw own;
        };
    }

    /** A thread that does something once the latch is open. */
    static Thread after(CountDownLatch latch, Runnable work) {
        Thread thread =
                new Thread(
                        () -> {
                            await(latch);
                            work.run();
                        });
        thread.start();
        return thread;
    }

    static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String setting(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw new IllegalStateException(name + " is not set");
        }
        return value;
    }

    private static String read(String path) {
        try {
            return Files.readString(Path.of(path), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A session that has read something. */
    static Session started(Model model, SessionOptions options) {
        Session session = model.newSession(options.threads(1));
        session.prefill(model.tokenize("The old man looked at the sea and"));
        return session;
    }

    /** The call fails with this status and a message. */
    static void fails(Status status, Executable call) {
        SipoException e = assertThrows(SipoException.class, call);
        assertEquals(status, e.status(), e.getMessage());
        assertFalse(e.getMessage().isEmpty());
    }

    /** Resident memory of this process in MiB. */
    static double residentMiB() throws IOException {
        String line =
                Files.readAllLines(Path.of("/proc/self/status")).stream()
                        .filter(l -> l.startsWith("VmRSS:"))
                        .findFirst()
                        .orElseThrow();
        return Double.parseDouble(line.replaceAll("[^0-9]", "")) / 1024;
    }

    /** Memory after all times is less than 10 MiB above that after a quarter of them. */
    static void staysFlat(String what, int times, Runnable work) throws IOException {
        staysFlat(what, times, work, () -> {});
    }

    /** The same of work that goes on behind its call: `settle` waits for it before memory is looked at. */
    static void staysFlat(String what, int times, Runnable work, Runnable settle) throws IOException {
        for (int i = 0; i < times / 4; ++i) {
            work.run();
        }
        settle.run();
        System.gc();
        double before = residentMiB();
        for (int i = times / 4; i < times; ++i) {
            work.run();
        }
        settle.run();
        System.gc();
        double grown = residentMiB() - before;
        System.out.printf("%s: %d times, memory grew by %.1f MiB%n", what, times, grown);
        assertTrue(grown < 10, what + " grew by " + grown + " MiB");
    }
}
