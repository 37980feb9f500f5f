package sipo;

/** Kind of a {@link SipoException}. The codes never change. */
public enum Status {
    /** A malformed name, arguments that contradict each other. */
    INVALID_ARGUMENT(100),
    /** A number outside its legal range, NaN included. */
    OUT_OF_RANGE(110),
    /** Not now: logits before a token, a session in use elsewhere. */
    INVALID_STATE(120),
    /** An array is too small. */
    BUFFER_TOO_SMALL(130),
    /** The queue of a scheduler is full: try again later. */
    BUSY(140),
    /** Nothing came within the time that was given. */
    TIMED_OUT(150),
    /** No such file, calibration profile or token. */
    NOT_FOUND(200),
    /** The file system refused. */
    IO_ERROR(210),
    /** A file that is not what it should be. */
    CORRUPT_FILE(300),
    /** Well-formed, but not something this version runs. */
    UNSUPPORTED(310),
    /** Out of native memory. */
    OUT_OF_MEMORY(400),
    /** The device or its driver failed. */
    BACKEND_ERROR(410),
    /** Ended by a callback or by {@link Session#cancel}. */
    CANCELLED(500),
    /** A defect of the library, or a status this version does not know; please report it. */
    INTERNAL(900);

    private final int code;

    Status(int code) {
        this.code = code;
    }

    /** The number of the C interface. */
    public int code() {
        return code;
    }

    static Status of(int code) {
        for (Status status : values()) {
            if (status.code == code) {
                return status;
            }
        }
        return INTERNAL;
    }
}
