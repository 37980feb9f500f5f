package sipo;

/** Hears of long work, on the thread that does it. */
@FunctionalInterface
public interface ProgressListener {
    /**
     * Called now and then.
     *
     * @param done units done so far
     * @param total all units
     * @return false ends the call with {@link Status#CANCELLED}
     */
    boolean onProgress(long done, long total);
}
