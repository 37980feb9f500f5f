package sipo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** What channels remember. */
class AnalysisTest {
    private static final Model model = Model.open(Story.MODEL);
    private static final int[] text = Arrays.copyOf(model.tokenize(Story.TEXT.substring(0, 8000)), 500);
    private static final SessionOptions plain = new SessionOptions();

    @AfterAll
    static void close() {
        model.close();
    }

    /** By the name of an array the sum that analysis.c prints of its values. */
    private static final class Sums {
        private final Map<String, Long> sums = new LinkedHashMap<>();

        void add(String name, long... values) {
            long sum = sums.getOrDefault(name, 0xcbf29ce484222325L);
            for (long value : values) {
                sum = (sum ^ value) * 0x100000001b3L;
            }
            sums.put(name, sum);
        }

        void add(String name, float[] values) {
            for (float value : values) {
                add(name, Float.floatToRawIntBits(value) & 0xffffffffL);
            }
        }

        @Override
        public String toString() {
            StringBuilder lines = new StringBuilder();
            sums.forEach((name, sum) -> lines.append(String.format("%s %016x%n", name, sum)));
            return lines.toString();
        }
    }

    private static Sums sums(Analysis analysis) {
        Sums sums = new Sums();
        sums.add("places", analysis.places());
        sums.add("delta_edges", analysis.deltaEdges());
        for (LayerAnalysis layer : analysis.layers()) {
            sums.add("layer_tokens", layer.tokens());
            for (boolean global : layer.global()) {
                sums.add("classes", global ? 1 : 0);
            }
            for (float[] curve : layer.logDecay()) {
                sums.add("log_decay", curve);
            }
            sums.add("receptive_field", layer.receptiveField());
            sums.add("delta_mean", layer.deltaMean());
            sums.add("delta_skipped", layer.deltaSkipped());
            sums.add("delta_norm", layer.deltaNorm());
            sums.add("delta_histogram", layer.localSteps());
            sums.add("delta_histogram", layer.globalSteps());
        }
        sums.add("map_places", analysis.mapPlaces());
        for (AttentionMap map : analysis.maps()) {
            sums.add("map_layers", map.channel().layer());
            sums.add("map_channels", map.channel().channel());
            for (float[] row : map.attention()) {
                sums.add("maps", row);
            }
        }
        sums.add("kept_tokens", analysis.keptTokens());
        return sums;
    }

    @Test
    void givesTheNumbersOfC() {
        SessionOptions dropping = new SessionOptions().context(Context.DECIMAMBA).decimationCapacity(100);
        AnalysisOptions options = new AnalysisOptions().points(10).mapSize(6);
        options.mapChannels(List.of(new MapChannel(1, 3), new MapChannel(7, 511)));
        Analysis analysis = model.analyze(text, dropping, options);
        assertEquals(Story.ANALYSIS, sums(analysis).toString());
        assertEquals(8, analysis.layers().size());
        assertEquals(512, analysis.layers().get(7).logDecay().length);
        assertEquals(10, analysis.layers().get(7).logDecay()[511].length);
        assertEquals(6, analysis.maps().get(1).attention()[5].length);
        assertTrue(analysis.keptTokens().length < text.length);
    }

    @Test
    void takesDefaultsAndNoMaps() {
        int[] few = Arrays.copyOf(text, 20);
        Analysis analysis = model.analyze(few, plain);
        assertEquals(8, analysis.maps().size());
        assertEquals(20, analysis.mapPlaces().length);
        assertArrayEquals(analysis.places(), analysis.mapPlaces());
        assertTrue(model.analyze(few, plain, new AnalysisOptions().mapSize(0)).maps().isEmpty());
    }

    @Test
    void reportsAndCancels() {
        List<Long> done = new ArrayList<>();
        AnalysisOptions reporting = new AnalysisOptions().mapSize(0);
        model.analyze(text, plain, reporting.progress((now, total) -> done.add(now) && now <= total));
        assertEquals(8L * text.length, done.get(done.size() - 1));
        AnalysisOptions stopping = new AnalysisOptions().progress((now, total) -> false);
        Story.fails(Status.CANCELLED, () -> model.analyze(text, plain, stopping));
        Story.Own own = new Story.Own();
        AnalysisOptions throwing = new AnalysisOptions().progress(Story.throwing(own));
        assertSame(own, assertThrows(Story.Own.class, () -> model.analyze(text, plain, throwing)));
    }

    @Test
    void tellsMemoryAndKeepsLimits() {
        AnalysisOptions options = new AnalysisOptions().mapSize(0);
        long needed = model.analysisMemory(plain, options, text.length);
        assertTrue(needed > text.length * 256 * 4);
        assertTrue(model.analysisMemory(plain, options, 2 * text.length) > needed);
        model.analyze(text, plain, options.memoryLimit(needed));
        Story.fails(Status.OUT_OF_MEMORY, () -> model.analyze(text, plain, options.memoryLimit(needed - 1)));
        Story.fails(Status.OUT_OF_RANGE, () -> model.analysisMemory(plain, options, 1));
    }

    @Test
    void refuses() {
        for (AnalysisOptions options :
                List.of(
                        new AnalysisOptions().points(0),
                        new AnalysisOptions().mapSize(257),
                        new AnalysisOptions().memoryLimit(-1),
                        new AnalysisOptions().mapChannels(List.of(new MapChannel(8, 0))),
                        new AnalysisOptions().mapChannels(List.of(new MapChannel(0, -1))))) {
            Story.fails(Status.OUT_OF_RANGE, () -> model.analyze(text, plain, options));
        }
        Story.fails(Status.OUT_OF_RANGE, () -> model.analyze(new int[] {1}, plain));
        Story.fails(Status.OUT_OF_RANGE, () -> model.analyze(new int[] {1, 4096}, plain));
        Story.fails(Status.OUT_OF_RANGE, () -> model.analyze(text, new SessionOptions().decimationRate(2)));
        assertThrows(NullPointerException.class, () -> model.analyze(null, plain));
        assertThrows(NullPointerException.class, () -> model.analyze(text, null));
        assertThrows(NullPointerException.class, () -> model.analyze(text, plain, null));
        assertThrows(NullPointerException.class, () -> new AnalysisOptions().mapChannels(null));
        Model other = Model.open(Story.MODEL);
        other.close();
        assertThrows(IllegalStateException.class, () -> other.analyze(text, plain));
    }

    @Test
    void keepsMemoryFlat() throws Exception {
        int[] two = Arrays.copyOf(text, 2);
        int[] wrong = {1, -1};
        AnalysisOptions quick = new AnalysisOptions().mapSize(0);
        Story.staysFlat(
                "200 analyses and as many refused",
                200,
                () -> {
                    model.analyze(two, plain, quick);
                    Story.fails(Status.OUT_OF_RANGE, () -> model.analyze(wrong, plain));
                });
    }
}
