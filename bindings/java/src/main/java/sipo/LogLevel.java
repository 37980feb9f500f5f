package sipo;

/** Weight of a log line. */
public enum LogLevel {
    /** Something failed. */
    ERROR,
    /** Something is not as it should be. */
    WARNING,
    /** Good to know. */
    INFORMATION;

    static LogLevel of(int level) {
        return level <= 1 ? ERROR : level == 2 ? WARNING : INFORMATION;
    }
}
