package sipo;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.LongFunction;

/**
 * The weights and the tokenizer of one .sipo file; immutable. Any number of threads and sessions may share
 * it.
 */
public final class Model implements AutoCloseable {
    private final NativeHandle handle;

    private Model(long address) {
        handle = NativeHandle.of(this, "model", address, Native::delete_Model);
    }

    /** The version of the library that runs, such as "0.1.0". */
    public static String libraryVersion() {
        Library.ensureLoaded();
        return Library.text(Native.version());
    }

    /** Opens a file with default options. */
    public static Model open(String path) {
        return open(path, new ModelOptions());
    }

    /** Opens a file with default options. */
    public static Model open(Path path) {
        return open(path.toString(), new ModelOptions());
    }

    /**
     * Opens a .sipo file, which may be replaced or removed afterwards.
     *
     * @throws SipoException NOT_FOUND, IO_ERROR, CORRUPT_FILE, UNSUPPORTED (a newer format), BACKEND_ERROR,
     *     CANCELLED
     */
    public static Model open(String path, ModelOptions options) {
        return open(path, options, options.progress());
    }

    /**
     * {@link #open(String, ModelOptions)} on an executor; cancelling the future cancels it, and a model that was open by
     * then is closed.
     */
    public static CompletableFuture<Model> openAsync(String path, ModelOptions options, Executor executor) {
        return Async.run(
                executor, cancelled -> open(path, options, Async.watch(options.progress(), cancelled)));
    }

    private static Model open(String path, ModelOptions options, ProgressListener progress) {
        byte[] file = Library.utf8(path);
        return options.use(progress, (long chosen) -> new Model(Native.Model_open(file, chosen)));
    }

    /**
     * Converts a checkpoint of Mamba-1, Mamba-2 or FalconMamba into a .sipo file, which appears only when it is
     * complete.
     *
     * @param path a directory of Hugging Face's or mamba_ssm's layout, or a GGUF file
     * @throws SipoException NOT_FOUND, IO_ERROR, CORRUPT_FILE, UNSUPPORTED (which tensor or field), CANCELLED
     */
    public static void importCheckpoint(String path, String output, ImportOptions options) {
        convert(Native::import_checkpoint, path, output, options);
    }

    /** {@link #importCheckpoint} on an executor; cancelling the future cancels it. */
    public static CompletableFuture<Void> importCheckpointAsync(
            String path, String output, ImportOptions options, Executor executor) {
        return convertAsync(Native::import_checkpoint, path, output, options, executor);
    }

    /**
     * Writes a model with f32 or bf16 weights as a Hugging Face directory. Calibration profiles have no place there.
     *
     * @param path a .sipo file
     * @param directory is made, or must be empty
     * @param options threads and progress have an effect here
     * @throws SipoException as importCheckpoint; INVALID_ARGUMENT when the directory holds something, UNSUPPORTED when
     *     the weights are quantised
     */
    public static void exportCheckpoint(String path, String directory, ImportOptions options) {
        convert(Native::export_checkpoint, path, directory, options);
    }

    /** {@link #exportCheckpoint} on an executor; cancelling the future cancels it. */
    public static CompletableFuture<Void> exportCheckpointAsync(
            String path, String directory, ImportOptions options, Executor executor) {
        return convertAsync(Native::export_checkpoint, path, directory, options, executor);
    }

    /**
     * Writes a model with f32 or bf16 weights again with {@link Weights#Q8} (the default) or Q4 ones.
     *
     * @throws SipoException as importCheckpoint; UNSUPPORTED when they are quantised already
     */
    public static void quantize(String path, String output, ImportOptions options) {
        convert(Native::quantize, path, output, options);
    }

    /** {@link #quantize} on an executor; cancelling the future cancels it. */
    public static CompletableFuture<Void> quantizeAsync(
            String path, String output, ImportOptions options, Executor executor) {
        return convertAsync(Native::quantize, path, output, options, executor);
    }

    /**
     * Writes a model of random weights in the shape of a public one, such as "mamba-130m", for measuring
     * speed.
     *
     * @throws SipoException NOT_FOUND names the presets
     */
    public static void writePreset(String preset, String output, ImportOptions options) {
        convert(Native::write_preset, preset, output, options);
    }

    /** {@link #writePreset} on an executor; cancelling the future cancels it. */
    public static CompletableFuture<Void> writePresetAsync(
            String preset, String output, ImportOptions options, Executor executor) {
        return convertAsync(Native::write_preset, preset, output, options, executor);
    }

    private interface Conversion {
        void run(byte[] from, byte[] to, long options);
    }

    private static void convert(Conversion conversion, String from, String to, ImportOptions options) {
        convert(conversion, from, to, options, options.progress());
    }

    private static CompletableFuture<Void> convertAsync(
            Conversion conversion, String from, String to, ImportOptions options, Executor executor) {
        return Async.run(
                executor,
                cancelled -> convert(conversion, from, to, options, Async.watch(options.progress(), cancelled)));
    }

    private static Void convert(
            Conversion conversion, String from, String to, ImportOptions options, ProgressListener progress) {
        byte[] source = Library.utf8(from);
        byte[] target = Library.utf8(to);
        return options.use(
                progress,
                (long chosen) -> {
                    conversion.run(source, target, chosen);
                    return null;
                });
    }

    /** A session with default options. */
    public Session newSession() {
        return newSession(new SessionOptions());
    }

    /**
     * A session at position 0.
     *
     * @throws SipoException OUT_OF_RANGE for an option outside its range, NOT_FOUND when LongMamba has
     *     neither its profile nor a calibration, BACKEND_ERROR
     */
    public Session newSession(SessionOptions options) {
        Objects.requireNonNull(options, "options");
        return handle.use((long model) -> Session.create(model, options));
    }

    /** Workers with as many threads as the process may use. */
    public Workers newWorkers() {
        return newWorkers(0);
    }

    /** Threads and working memory that sessions share: 1 to 256 threads; 0 takes as many as the process may use. */
    public Workers newWorkers(int threads) {
        return handle.use((long model) -> new Workers(Native.new_Workers(model, threads)));
    }

    /** A prefix cache with default options. */
    public Cache newCache() {
        return newCache(new CacheOptions());
    }

    /**
     * A cache of prefixes of prompts.
     *
     * @throws SipoException IO_ERROR when its directory cannot be made
     */
    public Cache newCache(CacheOptions options) {
        Objects.requireNonNull(options, "options");
        return handle.use(
                (long model) -> options.use((long chosen) -> new Cache(Native.new_Cache(model, chosen))));
    }

    /** A scheduler with default options. */
    public Scheduler newScheduler() {
        return newScheduler(new SchedulerOptions());
    }

    /**
     * A scheduler of many generations.
     *
     * @throws SipoException OUT_OF_MEMORY when it would exceed its limit
     */
    public Scheduler newScheduler(SchedulerOptions options) {
        Objects.requireNonNull(options, "options");
        long model = handle.acquire();
        try {
            return options.use(
                    model, (long chosen) -> new Scheduler(handle, model, Native.new_Scheduler(chosen)));
        } catch (Throwable e) {
            handle.release();
            throw e;
        }
    }

    /**
     * The most bytes that a session of these options takes for prompts of up to {@code promptTokens}, 1 to 2^40.
     */
    public long sessionMemory(SessionOptions options, long promptTokens) {
        return use(options, (long chosen) -> Native.SessionOptions_session_memory(chosen, promptTokens));
    }

    /** Calls with a native copy of options for sessions of this model. */
    <T> T use(SessionOptions options, LongFunction<T> call) {
        Objects.requireNonNull(options, "options");
        return handle.use((long model) -> options.use(model, null, call));
    }

    /** The most bytes that the weights of a .sipo file take on the CPU, from its header. */
    public static long memory(Path path) {
        byte[] file = Library.utf8(path.toString());
        Library.ensureLoaded();
        return Native.model_memory(file);
    }

    /** The hash that a session has which has read these tokens. */
    public static long tokenHash(int... ids) {
        Objects.requireNonNull(ids, "ids");
        Library.ensureLoaded();
        return Native.token_hash(ids);
    }

    /** Calibrates with default options. */
    public Calibration calibrate(int[] ids, int length) {
        return calibrate(ids, length, new CalibrationOptions());
    }

    /**
     * Measures what LongMamba needs to know.
     *
     * @param ids [sequences, length] tokens of ordinary text, 1 to 65536 sequences (ten are enough); what is
     *     left over is not used
     * @param length tokens a sequence, usually the training length: 2 to 1048576
     * @throws SipoException OUT_OF_RANGE, CANCELLED
     */
    public Calibration calibrate(int[] ids, int length, CalibrationOptions options) {
        return calibrate(ids, length, options, options.progress());
    }

    /** {@link #calibrate(int[], int, CalibrationOptions)} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Calibration> calibrateAsync(
            int[] ids, int length, CalibrationOptions options, Executor executor) {
        return Async.run(
                executor,
                cancelled -> calibrate(ids, length, options, Async.watch(options.progress(), cancelled)));
    }

    private Calibration calibrate(int[] ids, int length, CalibrationOptions options, ProgressListener progress) {
        Objects.requireNonNull(ids, "ids");
        Library.size(length, "length");
        return handle.use(
                (long model) ->
                        options.use(
                                progress,
                                (long chosen) ->
                                        new Calibration(
                                                this,
                                                Native.Calibration_measure_sequences(model, ids, length, chosen))));
    }

    /** Analyses with default options. */
    public Analysis analyze(int[] ids, SessionOptions session) {
        return analyze(ids, session, new AnalysisOptions());
    }

    /**
     * Reads a prompt as a new session of those options would, and measures what the channels remember of it.
     *
     * @param ids 2 tokens or more
     * @throws SipoException OUT_OF_RANGE (which token), OUT_OF_MEMORY (the limit), CANCELLED
     */
    public Analysis analyze(int[] ids, SessionOptions session, AnalysisOptions options) {
        return analyze(ids, session, options, options.progress());
    }

    /** {@link #analyze(int[], SessionOptions, AnalysisOptions)} on an executor; cancelling the future cancels it. */
    public CompletableFuture<Analysis> analyzeAsync(
            int[] ids, SessionOptions session, AnalysisOptions options, Executor executor) {
        return Async.run(
                executor, cancelled -> analyze(ids, session, options, Async.watch(options.progress(), cancelled)));
    }

    private Analysis analyze(
            int[] ids, SessionOptions session, AnalysisOptions options, ProgressListener progress) {
        Objects.requireNonNull(ids, "ids");
        return withAnalysis(
                session,
                options,
                progress,
                (long reading, long measuring) -> {
                    long measured = Native.Analysis_measure(reading, ids, measuring);
                    try {
                        return Analysis.of(measured);
                    } finally {
                        Native.delete_Analysis(measured);
                    }
                });
    }

    /** The most bytes that {@link #analyze} takes for so many tokens, 2 to 2^40. */
    public long analysisMemory(SessionOptions session, AnalysisOptions options, long tokens) {
        return withAnalysis(
                session,
                options,
                null,
                (long reading, long measuring) -> Native.Analysis_memory(reading, tokens, measuring));
    }

    private interface AnalysisCall<T> {
        T apply(long session, long options);
    }

    private <T> T withAnalysis(
            SessionOptions session, AnalysisOptions options, ProgressListener progress, AnalysisCall<T> call) {
        Objects.requireNonNull(options, "options");
        return use(
                session,
                (long reading) -> options.use(progress, (long measuring) -> call.apply(reading, measuring)));
    }

    /**
     * Text, which may hold NUL, to token ids. Special tokens in the text are recognised; nothing is added.
     */
    public int[] tokenize(String text) {
        byte[] bytes = Library.utf8(text);
        return handle.use((long model) -> Native.Model_tokenize(model, bytes));
    }

    /**
     * Token ids to text, special tokens included.
     *
     * @throws SipoException OUT_OF_RANGE for an id outside 0 to {@link #vocabSize} - 1
     */
    public String detokenize(int... ids) {
        Objects.requireNonNull(ids, "ids");
        return handle.use((long model) -> Library.text(Native.Model_detokenize(model, ids)));
    }

    /** Blocks. */
    public int layers() {
        return handle.use((long model) -> (int) Native.Model_layers(model));
    }

    /** Width of the residual stream. */
    public int dModel() {
        return handle.use((long model) -> (int) Native.Model_d_model(model));
    }

    /** Channels inside a block. */
    public int dInner() {
        return handle.use((long model) -> (int) Native.Model_d_inner(model));
    }

    /** States a channel. */
    public int dState() {
        return handle.use((long model) -> (int) Native.Model_d_state(model));
    }

    /** Length of the logits; may exceed the tokenizer's. */
    public int vocabSize() {
        return handle.use((long model) -> (int) Native.Model_vocab_size(model));
    }

    /** Per layer: d_inner in Mamba-1, heads in Mamba-2. */
    public int deltaChannels() {
        return handle.use((long model) -> (int) Native.Model_delta_channels(model));
    }

    /** In tokens. */
    public int trainingLength() {
        return handle.use((long model) -> (int) Native.Model_training_length(model));
    }

    /** Token id. */
    public int endOfText() {
        return handle.use(Native::Model_end_of_text);
    }

    /** Numbers in the weights. */
    public long parameters() {
        return handle.use(Native::Model_parameters);
    }

    /** Held in memory by the model. */
    public long weightBytes() {
        return handle.use(Native::Model_weight_bytes);
    }

    /** Recurrent state of one session. */
    public long stateBytes() {
        return handle.use(Native::Model_state_bytes);
    }

    /** "mamba1", "mamba2" or "falcon_mamba". */
    public String family() {
        return handle.use((long model) -> Library.text(Native.Model_family(model)));
    }

    /** "f32", "bf16", "q8" or "q4". */
    public String weightsType() {
        return handle.use((long model) -> Library.text(Native.Model_weights_type(model)));
    }

    /** Where it runs, such as "cpu (avx512)". */
    public String backend() {
        return handle.use((long model) -> Library.text(Native.Model_backend(model)));
    }

    /** The checkpoint that it was imported from. */
    public String source() {
        return handle.use((long model) -> Library.text(Native.Model_source(model)));
    }

    /** Names of the calibration profiles in the file. */
    public List<String> profiles() {
        return handle.use((long model) -> Library.text(Native.Model_profile_lines(model)).lines().toList());
    }

    /** Frees the model, now or when its last call has returned. Its sessions keep what they need. */
    @Override
    public void close() {
        handle.close();
    }
}
