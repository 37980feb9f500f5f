package sipo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Reading, scoring, generating. */
class SessionTest {
    private static final Model model = Model.open(Story.MODEL);

    @AfterAll
    static void close() {
        model.close();
    }

    private static String tokens(Context context, boolean seeded, int[] ids) {
        SamplingOptions sampling = new SamplingOptions().ignoreEndOfText(true);
        if (seeded) {
            sampling.temperature(0.8).topK(50).topP(0.95).minP(0.001).repetitionPenalty(1.1, 32).seed(7);
        }
        StringBuilder line = new StringBuilder();
        SessionOptions options = new SessionOptions().context(context).decimationCapacity(500);
        try (Session session = model.newSession(options)) {
            session.prefill(ids);
            session.generate(48, sampling, (token, text) -> line.append(token).append(' ') != null);
        }
        return line.append('\n').toString();
    }

    @Test
    void givesTheTokensOfC() {
        int[] ids = model.tokenize(Story.TEXT.substring(0, 8000));
        StringBuilder all = new StringBuilder();
        for (Context context : Context.values()) {
            all.append(tokens(context, false, ids)).append(tokens(context, true, ids));
        }
        assertEquals(Story.EXPECTED, all.toString());
    }

    @Test
    void readsAndScores() {
        int[] ids = Arrays.copyOf(model.tokenize(Story.TEXT), 48);
        try (Session session = model.newSession(new SessionOptions().chunkTokens(7))) {
            assertTrue(session.backendName().contains("cpu"));
            float[] rows = session.prefillLogits(ids, 3);
            assertEquals(3 * 4096, rows.length);
            float[] last = Arrays.copyOfRange(rows, 2 * 4096, rows.length);
            int likeliest = session.likeliest();
            for (float logit : last) assertTrue(logit <= last[likeliest]);
            assertArrayEquals(last, session.logits());
            FloatBuffer heap = FloatBuffer.allocate(5000);
            session.logits(heap);
            assertEquals(4096, heap.position());
            assertArrayEquals(last, Arrays.copyOf(heap.array(), 4096));
            FloatBuffer direct = ByteBuffer.allocateDirect(4 * 4096).order(ByteOrder.nativeOrder()).asFloatBuffer();
            session.logits(direct);
            assertEquals(last[4095], direct.get(4095));
            Story.fails(Status.BUFFER_TOO_SMALL, () -> session.logits(direct));
            assertEquals(48, session.keptTokens().length);
            session.decode(5);
            assertEquals(48, session.score(ids, 48).length);
            assertEquals(97, session.position());
            session.reset();
            assertEquals(0, session.position());
            assertEquals(47, session.score(ids, 47).length);
        }
    }

    @Test
    void readsBuffers() {
        int[] ids = Arrays.copyOf(model.tokenize(Story.TEXT), 40);
        IntBuffer direct = ByteBuffer.allocateDirect(4 * 41).order(ByteOrder.nativeOrder()).asIntBuffer();
        direct.put(-1).put(ids).flip().position(1);
        IntBuffer swapped = ByteBuffer.allocateDirect(4 * 40).order(ByteOrder.BIG_ENDIAN).asIntBuffer();
        swapped.put(ids).flip();
        float[] expected = null;
        for (IntBuffer buffer : List.of(IntBuffer.wrap(ids), direct, swapped)) {
            try (Session session = model.newSession()) {
                session.prefill(buffer);
                assertEquals(40, session.position());
                expected = expected == null ? session.logits() : expected;
                assertArrayEquals(expected, session.logits());
            }
        }
    }

    @Test
    void decodesTogetherAsAlone() {
        try (Session one = Story.started(model, new SessionOptions());
                Session two = Story.started(model, new SessionOptions());
                Session alone = Story.started(model, new SessionOptions())) {
            two.decode(9);
            Session.decodeTogether(List.of(one, two), 7, 8);
            alone.decode(7);
            assertArrayEquals(alone.logits(), one.logits());
            assertEquals(one.position() + 1, two.position());
            Story.fails(Status.INVALID_STATE, () -> Session.decodeTogether(List.of(one, one), 1, 1));
        }
    }

    @Test
    void streams() {
        SamplingOptions wild = new SamplingOptions().temperature(100).ignoreEndOfText(true).seed(3);
        List<Token> all = new ArrayList<>();
        try (Session session = Story.started(model, new SessionOptions());
                Session listened = Story.started(model, new SessionOptions())) {
            try (Stream<Token> tokens = session.tokens(200, wild)) {
                tokens.forEach(all::add);
            }
            StringBuilder text = new StringBuilder();
            List<Integer> ids = new ArrayList<>();
            long count = listened.generate(200, wild, (id, piece) -> ids.add(id) && text.append(piece) != null);
            assertEquals(200, count);
            assertEquals(ids, all.stream().map(Token::id).toList());
            assertEquals(text.toString(), String.join("", all.stream().map(Token::text).toList()));
        }
    }

    @Test
    void endsAStreamThatIsLeft() {
        try (Session session = Story.started(model, new SessionOptions())) {
            long before = session.position();
            try (Stream<Token> tokens = session.tokens(1L << 40, Story.ENDLESS)) {
                assertEquals(5, tokens.limit(5).count());
            }
            long ahead = session.position() - before;
            assertTrue(ahead >= 5 && ahead < 5 + 40, "read ahead by " + ahead);
            session.tokens(10, Story.ENDLESS).close();
            assertEquals(before + ahead, session.position());
        }
    }

    @Test
    void stopsWhenTheListenerHasEnough() {
        try (Session session = Story.started(model, new SessionOptions())) {
            int[] left = {3};
            assertEquals(3, session.generate(100, Story.ENDLESS, (token, text) -> --left[0] > 0));
            assertFalse(session.generateText(4, Story.ENDLESS).isEmpty());
        }
    }

    @Test
    void servesEightThreadsFromOneModel() throws Exception {
        int[] ids = model.tokenize(Story.TEXT.substring(0, 2000));
        Callable<String> answer =
                () -> {
                    try (Session session = model.newSession(new SessionOptions().threads(1))) {
                        session.prefill(ids);
                        return session.generateText(20, Story.ENDLESS);
                    }
                };
        String expected = answer.call();
        ExecutorService pool = Executors.newFixedThreadPool(8);
        for (Future<String> each : pool.invokeAll(List.of(answer, answer, answer, answer, answer, answer, answer, answer))) {
            assertEquals(expected, each.get());
        }
        pool.shutdown();
        assertTrue(pool.awaitTermination(10, TimeUnit.SECONDS));
    }
}
