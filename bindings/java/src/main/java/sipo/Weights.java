package sipo;

/** How matrices are stored and multiplied. */
public enum Weights {
    /** F32 from an f32 checkpoint, else BF16. */
    AUTOMATIC(0),
    /** 32-bit floats. */
    F32(100),
    /** 16-bit brain floats. */
    BF16(110),
    /** 8 bits and a scale for every 32. */
    Q8(120),
    /** 4 bits, a scale and an offset for every 32. */
    Q4(130);

    final int code;

    Weights(int code) {
        this.code = code;
    }
}
