package sipo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Stop sequences, biases, log probabilities, choices. */
class GenerationTest {
    private static final Model model = Model.open(Story.MODEL);

    @AfterAll
    static void close() {
        model.close();
    }

    private static SamplingOptions endless() {
        return new SamplingOptions().ignoreEndOfText(true);
    }

    @Test
    void stopsAtTexts() {
        try (Session session = Story.started(model, new SessionOptions())) {
            session.checkpoint("start");
            String all = session.generateText(30, Story.ENDLESS);
            String stop = all.substring(10, 14);
            session.rewind("start");
            assertEquals(all.substring(0, all.indexOf(stop)), session.generateText(30, endless().stop("\u2603", stop)));
            assertEquals(Finish.STOP_SEQUENCE, session.statistics().finish());
            assertTrue(session.statistics().generationSeconds() > 0);
            assertTrue(session.statistics().firstTokenSeconds() > 0);
            Story.fails(Status.OUT_OF_RANGE, () -> session.generateText(1, endless().stop("")));
        }
    }

    /** Token 17 and the end of text follow, and token 17 might begin a stop sequence. */
    private static SamplingOptions endingWithHeldText() {
        SamplingOptions options = new SamplingOptions().repetitionPenalty(100, 8);
        return options.logitBias(Map.of(17, 1000F, model.endOfText(), 900F)).stop(model.detokenize(17) + "\u2603");
    }

    @Test
    void tellsHeldTextAtTheEnd() {
        try (Session session = Story.started(model, new SessionOptions())) {
            List<Token> tokens = new ArrayList<>();
            long count = session.generate(9, endingWithHeldText(), (id, piece) -> tokens.add(new Token(id, piece)));
            assertEquals(1, count);
            assertEquals(List.of(new Token(17, ""), new Token(-1, model.detokenize(17))), tokens);
            assertEquals(Finish.END_OF_TEXT, session.statistics().finish());
            assertEquals(1, session.statistics().generatedTokens());
            try (Scheduler scheduler = model.newScheduler();
                    Request request = scheduler.submit(new int[] {1}, 9, new SessionOptions(), endingWithHeldText())) {
                assertEquals(tokens, request.tokens().toList());
                assertEquals(Finish.END_OF_TEXT, request.statistics().finish());
            }
        }
    }

    @Test
    void biasesTokens() {
        try (Session session = Story.started(model, new SessionOptions())) {
            List<Integer> ids = new ArrayList<>();
            SamplingOptions only = endless().logitBias(Map.of(17, 1000F, 18, Float.NEGATIVE_INFINITY));
            session.generate(5, only, (id, piece) -> ids.add(id));
            assertEquals(List.of(17, 17, 17, 17, 17), ids);
            SamplingOptions outside = endless().logitBias(Map.of(1 << 20, 1F));
            Story.fails(Status.OUT_OF_RANGE, () -> session.generateText(1, outside));
        }
    }

    @Test
    void reportsLogProbabilities() {
        try (Session session = Story.started(model, new SessionOptions())) {
            session.checkpoint("start");
            List<TokenProbability> taken = new ArrayList<>();
            List<Integer> ids = new ArrayList<>();
            SamplingOptions reporting =
                    endless().logProbabilities(
                            3,
                            (token, likeliest) -> {
                                assertEquals(3, likeliest.size());
                                assertEquals(token, likeliest.get(0));
                                assertTrue(likeliest.get(0).logProbability() >= likeliest.get(1).logProbability());
                                return taken.add(token);
                            });
            session.generate(6, reporting, (id, piece) -> ids.add(id));
            assertEquals(ids, taken.stream().map(TokenProbability::id).toList());
            assertTrue(taken.stream().allMatch(token -> token.logProbability() < 0));
            Story.fails(
                    Status.CANCELLED,
                    () -> session.generateText(3, endless().logProbabilities(0, (token, likeliest) -> false)));
            Story.Own own = new Story.Own();
            SamplingOptions throwing =
                    endless().logProbabilities(
                            0,
                            (token, likeliest) -> {
                                throw own;
                            });
            assertSame(own, assertThrows(Story.Own.class, () -> session.generateText(3, throwing)));
            Story.fails(
                    Status.OUT_OF_RANGE,
                    () -> session.generateText(1, endless().logProbabilities(1025, (token, likeliest) -> true)));
        }
    }

    @Test
    void choosesAmongTexts() {
        try (Session session = Story.started(model, new SessionOptions())) {
            session.checkpoint("start");
            String likely = session.generateText(2, Story.ENDLESS);
            session.rewind("start");
            long before = session.position();
            Choice choice = session.choose(List.of("\u2603\u2603 zebra", likely, "qqq \ud83d\ude00"));
            assertEquals(1, choice.index());
            assertEquals(3, choice.logProbabilities().length);
            assertTrue(choice.logProbabilities()[1] > choice.logProbabilities()[0]);
            assertEquals(before + model.tokenize(likely).length, session.position());
            Story.fails(Status.OUT_OF_RANGE, () -> session.choose(List.of()));
            assertThrows(NullPointerException.class, () -> session.choose(null));
        }
        try (Session fresh = model.newSession()) {
            Story.fails(Status.INVALID_STATE, () -> fresh.choose(List.of("a", "b")));
        }
    }

    @Test
    void keepsMemoryFlat() throws Exception {
        try (Session session = Story.started(model, new SessionOptions())) {
            session.checkpoint("start");
            SamplingOptions all =
                    endless()
                            .stop("no such text in the answer")
                            .logitBias(Map.of(5, 1F))
                            .logProbabilities(5, (token, likeliest) -> true);
            List<String> texts = List.of("one", "two");
            Story.staysFlat(
                    "1,000 generations and choices",
                    1000,
                    () -> {
                        session.generateText(1, all);
                        session.choose(texts);
                        session.rewind("start");
                    });
        }
    }
}
