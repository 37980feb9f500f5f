package sipo;

/** How a session goes beyond the training length. */
public enum Context {
    /** The plain model. */
    NONE(0),
    /** Drops the tokens with the smallest delta (arXiv 2406.14528). */
    DECIMAMBA(100),
    /** Global channels skip unimportant tokens (arXiv 2504.16053). */
    LONGMAMBA(110);

    final int code;

    Context(int code) {
        this.code = code;
    }
}
