package sipo;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** What the native library calls; java_host.hpp has the same names and signatures. */
final class Upcalls {
    private Upcalls() {}

    static boolean progress(ProgressListener listener, long done, long total) {
        return listener.onProgress(done, total);
    }

    static boolean token(TokenListener listener, int token, byte[] text) {
        return listener.onToken(token, new String(text, StandardCharsets.UTF_8));
    }

    static boolean logProbabilities(
            LogProbabilitiesListener listener, int token, float logProbability, int[] ids, float[] values) {
        TokenProbability[] likeliest = new TokenProbability[ids.length];
        for (int i = 0; i < ids.length; ++i) {
            likeliest[i] = new TokenProbability(ids[i], values[i]);
        }
        return listener.onToken(new TokenProbability(token, logProbability), List.of(likeliest));
    }

    static void log(LogListener listener, int level, byte[] line) {
        listener.onLine(LogLevel.of(level), new String(line, StandardCharsets.UTF_8));
    }

    static SipoException error(int status, byte[] message) {
        return new SipoException(Status.of(status), new String(message, StandardCharsets.UTF_8));
    }
}
