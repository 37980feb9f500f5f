package sipo;

import java.lang.ref.Cleaner;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;

/**
 * Guards an object of the native library: no call uses it after close, and close frees it when the last
 * call has returned. Does not know its owner, so that the owner can be collected.
 */
final class NativeHandle implements Runnable {
    private static final Cleaner CLEANER = Cleaner.create();

    private final String what;
    private final long address;
    private final LongConsumer free;
    private int uses;
    private boolean closed;

    private NativeHandle(String what, long address, LongConsumer free) {
        this.what = what;
        this.address = address;
        this.free = free;
    }

    /** The handle of {@code owner}, closed at the latest when that is collected. */
    static NativeHandle of(Object owner, String what, long address, LongConsumer free) {
        NativeHandle handle = new NativeHandle(what, address, free);
        CLEANER.register(owner, handle);
        return handle;
    }

    /** Begins a use, which {@link #release} ends. */
    synchronized long acquire() {
        if (closed) {
            throw new IllegalStateException("the " + what + " is closed");
        }
        ++uses;
        return address;
    }

    void release() {
        boolean last;
        synchronized (this) {
            last = --uses == 0 && closed;
        }
        if (last) {
            free.accept(address);
        }
    }

    void close() {
        boolean last;
        synchronized (this) {
            last = uses == 0 && !closed;
            closed = true;
        }
        if (last) {
            free.accept(address);
        }
    }

    @Override
    public void run() {
        close();
    }

    <T> T use(LongFunction<T> call) {
        long object = acquire();
        try {
            return call.apply(object);
        } finally {
            release();
        }
    }

    void run(LongConsumer call) {
        long object = acquire();
        try {
            call.accept(object);
        } finally {
            release();
        }
    }
}
