package sipo;

import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;

/** Native copies of options, for the time of a call. */
final class NativeOptions {
    /** A setter of the native library. */
    interface Setter<T> {
        void set(long options, T value);
    }

    private NativeOptions() {}

    /** Sets what is not null, and so not left at its default. */
    static <T> void set(long options, T value, Setter<T> setter) {
        if (value != null) {
            setter.set(options, value);
        }
    }

    /** Calls with new options that {@code fill} has set. */
    static <T> T use(LongSupplier create, LongConsumer fill, LongConsumer free, LongFunction<T> call) {
        Library.ensureLoaded();
        long options = create.getAsLong();
        try {
            fill.accept(options);
            return call.apply(options);
        } finally {
            free.accept(options);
        }
    }
}
