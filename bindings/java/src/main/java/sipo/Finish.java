package sipo;

/** Why a generation ended. */
public enum Finish {
    /** It has not. */
    NONE(0),
    /** The model said so. */
    END_OF_TEXT(100),
    /** One of {@link SamplingOptions#stop}. */
    STOP_SEQUENCE(110),
    /** As many tokens as were asked for. */
    TOKEN_LIMIT(120),
    /** By a listener, a cancel or a close. */
    CANCELLED(130),
    /** With an exception. */
    FAILED(140);

    private final int code;

    Finish(int code) {
        this.code = code;
    }

    static Finish of(int code) {
        for (Finish finish : values()) {
            if (finish.code == code) {
                return finish;
            }
        }
        return FAILED;
    }
}
