package sipo;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;

/** Work on an executor whose future ends it. */
final class Async {
    /** Runs what comes in a millisecond, on a thread that all share. */
    private static final Executor SOON = CompletableFuture.delayedExecutor(1, TimeUnit.MILLISECONDS, Runnable::run);

    private Async() {}

    /**
     * Work that asks now and then whether it was cancelled. What comes out of it too late, when nobody gets it any more,
     * is closed.
     */
    static <T> CompletableFuture<T> run(Executor executor, Function<BooleanSupplier, T> work) {
        CompletableFuture<T> future = new CompletableFuture<>();
        executor.execute(
                () -> {
                    if (future.isDone()) {
                        return;
                    }
                    try {
                        T result = work.apply(future::isCancelled);
                        if (!future.complete(result) && result instanceof AutoCloseable unwanted) {
                            unwanted.close();
                        }
                    } catch (Throwable e) {
                        future.completeExceptionally(e);
                    }
                });
        return future;
    }

    /** Work that {@code cancel} ends, which has no effect while it does not run. */
    static <T> CompletableFuture<T> run(Executor executor, Runnable cancel, Supplier<T> work) {
        Running running = new Running(cancel);
        CompletableFuture<T> future = run(executor, cancelled -> running.run(work, cancelled));
        future.whenComplete(
                (result, failure) -> {
                    if (future.isCancelled()) {
                        running.cancel();
                    }
                });
        return future;
    }

    /** Cancels a call while it runs, and nothing that comes before or after it. */
    private static final class Running {
        private final Runnable cancel;
        private boolean runs;

        Running(Runnable cancel) {
            this.cancel = cancel;
        }

        /** Again and again, because one that comes before the native part of the call has no effect. */
        synchronized void cancel() {
            if (runs) {
                cancel.run();
                SOON.execute(this::cancel);
            }
        }

        <T> T run(Supplier<T> work, BooleanSupplier cancelled) {
            set(true);
            try {
                if (cancelled.getAsBoolean()) {
                    throw new SipoException(Status.CANCELLED, "the future was cancelled");
                }
                return work.get();
            } finally {
                set(false);
            }
        }

        private synchronized void set(boolean runs) {
            this.runs = runs;
        }
    }

    /** A listener that also ends the call when it was cancelled. */
    static ProgressListener watch(ProgressListener listener, BooleanSupplier cancelled) {
        return (done, total) -> !cancelled.getAsBoolean() && (listener == null || listener.onProgress(done, total));
    }
}
