package sipo;

import java.util.function.LongConsumer;
import java.util.function.LongFunction;

/** What LongMamba needs to know of a model; immutable. Made by {@link Model#calibrate}. */
public final class Calibration implements AutoCloseable {
    private final Model model;
    private final NativeHandle handle;

    Calibration(Model model, long address) {
        this.model = model;
        handle = NativeHandle.of(this, "calibration", address, Native::delete_Calibration);
    }

    /** One call at a time: for the native library, saving with settings is a change. */
    private synchronized <T> T use(LongFunction<T> call) {
        return handle.use(call);
    }

    synchronized void run(LongConsumer call) {
        handle.run(call);
    }

    /**
     * Writes it into a .sipo file, replacing a profile of that name.
     *
     * @param path a file that holds a model of the same shape
     * @param profile 1 to 64 of a-z A-Z 0-9 . _ -
     */
    public void save(String path, String profile) {
        save(path, profile, 0L);
    }

    /**
     * The same with how it is best used: context method, global-channel threshold, layer scope, decimation rate and
     * capacity of a session's options, which {@link SessionOptions#useProfile} takes up.
     *
     * @throws IllegalStateException when the model that was calibrated is closed
     */
    public void save(String path, String profile, SessionOptions settings) {
        model.use(
                settings,
                (long chosen) -> {
                    save(path, profile, chosen);
                    return null;
                });
    }

    private void save(String path, String profile, long settings) {
        byte[] file = Library.utf8(path);
        byte[] name = Library.utf8(profile);
        run((long object) -> Native.Calibration_save_with(object, file, name, settings));
    }

    /** [layers, delta channels]: the sum over the tokens of ln of the mean decay. */
    public float[] logDecay() {
        return use(Native::Calibration_log_decay);
    }

    /** [layers, delta channels, lengths]: the threshold of delta. */
    public float[] thresholdTable() {
        return use(Native::Calibration_threshold_table);
    }

    /** The lengths of the table in tokens, ascending. */
    public long[] lengths() {
        return use(Native::Calibration_lengths);
    }

    /** Frees it; sessions keep what they need. */
    @Override
    public void close() {
        handle.close();
    }
}
