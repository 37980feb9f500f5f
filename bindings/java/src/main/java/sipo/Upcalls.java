package sipo;

import java.nio.charset.StandardCharsets;

/** What the native library calls; java_host.hpp has the same names and signatures. */
final class Upcalls {
    private Upcalls() {}

    static boolean progress(ProgressListener listener, long done, long total) {
        return listener.onProgress(done, total);
    }

    static boolean token(TokenListener listener, int token, byte[] text) {
        return listener.onToken(token, new String(text, StandardCharsets.UTF_8));
    }

    static void log(LogListener listener, int level, byte[] line) {
        listener.onLine(LogLevel.of(level), new String(line, StandardCharsets.UTF_8));
    }

    static SipoException error(int status, byte[] message) {
        return new SipoException(Status.of(status), new String(message, StandardCharsets.UTF_8));
    }
}
