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
    static SchedulerStatistics of(Facts facts) {
        return new SchedulerStatistics(
                facts.count(), facts.count(), facts.count(), facts.count(), facts.count(), facts.count(),
                facts.count(), facts.count(), facts.count(), facts.count(), facts.count(), facts.seconds());
    }
}
