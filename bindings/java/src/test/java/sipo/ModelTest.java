package sipo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Files, facts, text and calibration. */
class ModelTest {
    @Test
    void tellsWhatItIs() {
        try (Model model = Model.open(Story.MODEL)) {
            assertEquals("mamba1", model.family());
            assertEquals("bf16", model.weightsType());
            assertEquals("passkey-mamba1", model.source());
            assertTrue(model.backend().startsWith("cpu"));
            assertEquals(8, model.layers());
            assertEquals(256, model.dModel());
            assertEquals(512, model.dInner());
            assertEquals(16, model.dState());
            assertEquals(4096, model.vocabSize());
            assertEquals(512, model.deltaChannels());
            assertEquals(2048, model.trainingLength());
            assertEquals(0, model.endOfText());
            assertEquals(4552960, model.parameters());
            assertTrue(model.weightBytes() > model.parameters());
            assertTrue(model.stateBytes() > 0);
            assertEquals(List.of("default"), model.profiles());
            assertEquals("0.1.0", Model.libraryVersion());
        }
    }

    @Test
    void hasTheNumbersOfTheInterface() {
        assertEquals(Native.Context_decimamba, Context.DECIMAMBA.code);
        assertEquals(Native.Context_longmamba, Context.LONGMAMBA.code);
        assertEquals(Native.Channels_local, Channels.LOCAL.code);
        assertEquals(Native.Channels_random, Channels.RANDOM.code);
        assertEquals(Native.Weights_f32, Weights.F32.code);
        assertEquals(Native.Weights_bf16, Weights.BF16.code);
        assertEquals(Native.Weights_q8, Weights.Q8.code);
        assertEquals(Native.Weights_q4, Weights.Q4.code);
        assertEquals(Native.Store_zstd, Store.ZSTD.code);
        assertEquals(Native.Store_raw, Store.RAW.code);
    }

    @Test
    void takesTextWithEverything() {
        try (Model model = Model.open(Story.MODEL)) {
            for (String text : List.of("", "a\0b", "caf\u00e9 \ud83d\ude00 \u4e2d\ud83d\udc0d", "\0")) {
                assertEquals(text, model.detokenize(model.tokenize(text)));
            }
            assertEquals("", model.detokenize());
            Story.fails(Status.OUT_OF_RANGE, () -> model.detokenize(-1));
            Story.fails(Status.OUT_OF_RANGE, () -> model.detokenize(4096));
        }
    }

    @Test
    void importsAndQuantizes() throws Exception {
        String imported = Story.OUTPUT.resolve("java.sipo").toString();
        String quantized = Story.OUTPUT.resolve("java-q8.sipo").toString();
        List<Long> done = new ArrayList<>();
        ImportOptions options = new ImportOptions().weights(Weights.F32).store(Store.RAW).threads(2);
        options.trainingLength(1024).progress((bytes, total) -> done.add(bytes) && bytes <= total);
        Model.importCheckpoint(Story.CHECKPOINT, imported, options);
        assertFalse(done.isEmpty());
        try (Model model = Model.open(Path.of(imported))) {
            assertEquals("f32", model.weightsType());
            assertEquals(1024, model.trainingLength());
        }
        Model.quantize(imported, quantized, new ImportOptions().weights(Weights.Q8));
        try (Model model = Model.open(quantized)) {
            assertEquals("q8", model.weightsType());
        }
        Files.delete(Path.of(imported));
        Story.fails(
                Status.CANCELLED,
                () ->
                        Model.importCheckpoint(
                                Story.CHECKPOINT, imported, new ImportOptions().progress((a, b) -> false)));
        assertFalse(Files.exists(Path.of(imported)));
        Story.fails(
                Status.UNSUPPORTED,
                () -> Model.quantize(quantized, imported, new ImportOptions()));
        Story.fails(
                Status.NOT_FOUND,
                () -> Model.writePreset("no-such-preset", imported, new ImportOptions()));
    }

    /** What an imported model exports is imported again, with another tokenizer if that is wanted. */
    @Test
    void exports() throws Exception {
        Path directory = Story.OUTPUT.resolve("java-exported");
        for (String name : List.of("model.safetensors", "tokenizer.json", "config.json")) {
            Files.deleteIfExists(directory.resolve(name));
        }
        ImportOptions options = new ImportOptions();
        Model.exportCheckpoint(Story.MODEL, directory.toString(), options.threads(1));
        Story.fails(
                Status.INVALID_ARGUMENT,
                () -> Model.exportCheckpoint(Story.MODEL, directory.toString(), options));
        String again = Story.OUTPUT.resolve("java-again.sipo").toString();
        String tokenizer = directory.resolve("tokenizer.json").toString();
        Model.importCheckpoint(directory.toString(), again, options.tokenizer(tokenizer));
        try (Model model = Model.open(again);
                Model first = Model.open(Story.MODEL)) {
            assertEquals(first.parameters(), model.parameters());
            assertArrayEquals(first.tokenize(Story.TEXT), model.tokenize(Story.TEXT));
        }
        Story.fails(
                Status.NOT_FOUND,
                () -> Model.importCheckpoint(directory.toString(), again, options.tokenizer("no-such-file")));
        Story.fails(
                Status.INVALID_ARGUMENT,
                () -> Model.importCheckpoint(directory.toString(), again, options.tokenizer("a\0b")));
        Story.fails(
                Status.NOT_FOUND,
                () -> Model.exportCheckpoint("no-such-file", again + ".d", new ImportOptions()));
    }

    @Test
    void calibrates() throws Exception {
        Path file = Story.OUTPUT.resolve("java-calibrated.sipo");
        Files.copy(Path.of(Story.MODEL), file, StandardCopyOption.REPLACE_EXISTING);
        List<Long> done = new ArrayList<>();
        try (Model model = Model.open(file)) {
            int[] ids = Arrays.copyOf(model.tokenize(Story.TEXT), 2 * 256 + 5);
            CalibrationOptions options = new CalibrationOptions().clamp(0.05).threads(1);
            options.progress((now, total) -> done.add(now));
            try (Calibration calibration = model.calibrate(ids, 256, options)) {
                assertEquals(8 * 512, calibration.logDecay().length);
                assertEquals(25, calibration.lengths().length);
                assertEquals(8 * 512 * 25, calibration.thresholdTable().length);
                assertTrue(calibration.logDecay()[0] < 0);
                long[] sorted = calibration.lengths();
                Arrays.sort(sorted);
                assertArrayEquals(sorted, calibration.lengths());
                calibration.save(file.toString(), "story");
                Story.fails(Status.INVALID_ARGUMENT, () -> calibration.save(file.toString(), "a b"));
                SessionOptions own = new SessionOptions().context(Context.LONGMAMBA).calibration(calibration);
                try (Session session = Story.started(model, own)) {
                    assertTrue(session.position() > 0);
                }
            }
            assertEquals(16, Collections.max(done));
            Story.fails(Status.OUT_OF_RANGE, () -> model.calibrate(ids, 1));
        }
        try (Model model = Model.open(file)) {
            assertEquals(List.of("default", "story"), model.profiles().stream().sorted().toList());
            Story.started(model, new SessionOptions().context(Context.LONGMAMBA).profile("story")).close();
        }
    }

    @Test
    void keepsSettingsWithAProfile() throws Exception {
        Path file = Story.OUTPUT.resolve("java-settings.sipo");
        Files.copy(Path.of(Story.MODEL), file, StandardCopyOption.REPLACE_EXISTING);
        SessionOptions settings = new SessionOptions().context(Context.DECIMAMBA).layers(2, 5);
        settings.decimationCapacity(20).decimationRate(0.9);
        int[] ids;
        Calibration calibration;
        try (Model model = Model.open(file)) {
            ids = Arrays.copyOf(model.tokenize(Story.TEXT), 64);
            calibration = model.calibrate(ids, 32);
            calibration.save(file.toString(), "tuned", settings);
            calibration.save(file.toString(), "plain");
            Story.fails(
                    Status.OUT_OF_RANGE,
                    () -> calibration.save(file.toString(), "bad", new SessionOptions().decimationRate(2)));
        }
        assertThrows(IllegalStateException.class, () -> calibration.save(file.toString(), "late", settings));
        calibration.close();
        try (Model model = Model.open(file);
                Session same = model.newSession(settings);
                Session tuned = model.newSession(new SessionOptions().useProfile("tuned"));
                Session other = model.newSession(new SessionOptions().useProfile("tuned").context(Context.NONE))) {
            for (Session session : List.of(same, tuned, other)) {
                session.prefill(ids);
            }
            assertTrue(tuned.keptTokens().length < ids.length);
            assertArrayEquals(same.keptTokens(), tuned.keptTokens());
            assertArrayEquals(same.logits(), tuned.logits());
            assertEquals(ids.length, other.keptTokens().length);
            for (String name : List.of("plain", "none")) {
                Story.fails(Status.NOT_FOUND, () -> model.newSession(new SessionOptions().useProfile(name)));
            }
        }
    }
}
