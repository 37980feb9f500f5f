package sipo;

/** A call of the library that failed; the message is its one line about what was wrong with which value. */
public final class SipoException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Kind of the failure. */
    private final Status status;

    SipoException(Status status, String message) {
        super(message);
        this.status = status;
    }

    /** What kind of failure it is. */
    public Status status() {
        return status;
    }
}
