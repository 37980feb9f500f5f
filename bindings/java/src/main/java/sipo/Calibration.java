package sipo;

/** What LongMamba needs to know of a model; immutable. Made by {@link Model#calibrate}. */
public final class Calibration implements AutoCloseable {
    final NativeHandle handle;

    Calibration(long address) {
        handle = NativeHandle.of(this, "calibration", address, Native::delete_Calibration);
    }

    /**
     * Writes it into a .sipo file, replacing a profile of that name.
     *
     * @param path a file that holds a model of the same shape
     * @param profile 1 to 64 of a-z A-Z 0-9 . _ -
     */
    public void save(String path, String profile) {
        byte[] file = Library.utf8(path);
        byte[] name = Library.utf8(profile);
        handle.run((long object) -> Native.Calibration_save(object, file, name));
    }

    /** [layers, delta channels]: the sum over the tokens of ln of the mean decay. */
    public float[] logDecay() {
        return handle.use(Native::Calibration_log_decay);
    }

    /** [layers, delta channels, lengths]: the threshold of delta. */
    public float[] thresholdTable() {
        return handle.use(Native::Calibration_threshold_table);
    }

    /** The lengths of the table in tokens, ascending. */
    public long[] lengths() {
        return handle.use(Native::Calibration_lengths);
    }

    /** Frees it; sessions keep what they need. */
    @Override
    public void close() {
        handle.close();
    }
}
