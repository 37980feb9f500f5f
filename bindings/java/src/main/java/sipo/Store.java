package sipo;

/** How tensors lie in a .sipo file. */
public enum Store {
    /** Compressed: smaller. */
    ZSTD(100),
    /** As they are: larger, loads a little faster. */
    RAW(110);

    final int code;

    Store(int code) {
        this.code = code;
    }
}
