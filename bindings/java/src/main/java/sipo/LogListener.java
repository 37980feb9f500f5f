package sipo;

/** Gets the log lines of a model and its sessions, possibly from several threads at once. */
@FunctionalInterface
public interface LogListener {
    /** One line, without its end. */
    void onLine(LogLevel level, String line);
}
