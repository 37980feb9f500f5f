package sipo;

/** Which channels LongMamba filters; all but the first are the paper's ablations. */
public enum Channels {
    /** The global ones. */
    GLOBAL(0),
    /** Those that are not global. */
    LOCAL(100),
    /** As many of a layer as are global. */
    RANDOM(110);

    final int code;

    Channels(int code) {
        this.code = code;
    }
}
