package sipo;

import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Turns a generation, which calls, into a stream, which is asked. */
final class TokenReader extends Spliterators.AbstractSpliterator<Token> {
    private static final int TOKENS_AHEAD = 16;
    private static final Object END = new Object();

    private record Failure(Throwable thrown) {}

    private final BlockingQueue<Object> queue = new ArrayBlockingQueue<>(TOKENS_AHEAD);
    private final Consumer<TokenListener> generation;
    private final Runnable cancel;
    private Thread producer;
    private volatile boolean closed;

    private TokenReader(Consumer<TokenListener> generation, Runnable cancel) {
        super(Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL);
        this.generation = generation;
        this.cancel = cancel;
    }

    static Stream<Token> stream(Consumer<TokenListener> generation, Runnable cancel) {
        TokenReader reader = new TokenReader(generation, cancel);
        return StreamSupport.stream(reader, false).onClose(reader::close);
    }

    @Override
    public boolean tryAdvance(Consumer<? super Token> action) {
        if (closed) {
            return false;
        }
        if (producer == null) {
            producer = new Thread(this::produce, "sipo-tokens");
            producer.setDaemon(true);
            producer.start();
        }
        Object next;
        try {
            next = queue.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            close();
            throw new SipoException(Status.CANCELLED, "the reading thread was interrupted");
        }
        if (next instanceof Token token) {
            action.accept(token);
            return true;
        }
        closed = true;
        if (next instanceof Failure failure) {
            throw Thrown.<RuntimeException>unchecked(failure.thrown());
        }
        return false;
    }

    private void produce() {
        Object last = END;
        try {
            generation.accept((token, text) -> put(new Token(token, text)));
        } catch (Throwable e) {
            last = new Failure(e);
        }
        put(last);
    }

    /** Waits for room; false when nobody will make any. */
    private boolean put(Object next) {
        try {
            if (!closed) {
                queue.put(next);
            }
        } catch (InterruptedException e) {
            return false;
        }
        return !closed;
    }

    private void close() {
        closed = true;
        if (producer == null) {
            return;
        }
        boolean interrupted = false;
        while (producer.isAlive()) {
            cancel.run();
            queue.clear();
            try {
                producer.join(1);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
