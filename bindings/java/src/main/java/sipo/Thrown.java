package sipo;

import java.util.concurrent.atomic.AtomicReference;

/**
 * What a listener of a request threw on the scheduler's thread, for the thread that asks for tokens. The first counts.
 */
final class Thrown {
    private final AtomicReference<Throwable> first = new AtomicReference<>();

    ProgressListener guardProgress(ProgressListener listener) {
        if (listener == null) {
            return null;
        }
        return (done, total) -> {
            try {
                return listener.onProgress(done, total);
            } catch (Throwable e) {
                return remember(e);
            }
        };
    }

    LogProbabilitiesListener guardProbabilities(LogProbabilitiesListener listener) {
        return (token, likeliest) -> {
            try {
                return listener.onToken(token, likeliest);
            } catch (Throwable e) {
                return remember(e);
            }
        };
    }

    private boolean remember(Throwable e) {
        first.compareAndSet(null, e);
        return false;
    }

    void rethrow() {
        Throwable e = first.get();
        if (e != null) {
            throw Thrown.<RuntimeException>unchecked(e);
        }
    }

    /** Throws it as it is, whatever it is. */
    @SuppressWarnings("unchecked")
    static <E extends Throwable> E unchecked(Throwable thrown) throws E {
        throw (E) thrown;
    }
}
