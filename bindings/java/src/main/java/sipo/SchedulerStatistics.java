package sipo;

/**
 * Facts about a {@link Scheduler} since it was made.
 *
 * @param waiting requests in the queue now
 * @param reading requests whose prompt is being read now
 * @param decoding requests that generate now
 * @param submitted requests
 * @param refused requests, for a full queue
 * @param finished requests
 * @param cancelled requests
 * @param failed requests
 * @param promptTokens computed
 * @param reusedTokens of prompts, from the cache
 * @param generatedTokens of all requests
 * @param busySeconds of its thread
 */
public record SchedulerStatistics(
        long waiting,
        long reading,
        long decoding,
        long submitted,
        long refused,
        long finished,
        long cancelled,
        long failed,
        long promptTokens,
        long reusedTokens,
        long generatedTokens,
        double busySeconds) {
    /** In the order of sipo.i. */
    static SchedulerStatistics of(double[] v) {
        return new SchedulerStatistics(
                (long) v[0],
                (long) v[1],
                (long) v[2],
                (long) v[3],
                (long) v[4],
                (long) v[5],
                (long) v[6],
                (long) v[7],
                (long) v[8],
                (long) v[9],
                (long) v[10],
                v[11]);
    }
}
