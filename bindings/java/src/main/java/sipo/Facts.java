package sipo;

/** The facts about an object, told one after the other in the order of sipo.i. */
final class Facts {
    private final double[] values;
    private int told;

    Facts(double[] values) {
        this.values = values;
    }

    long count() {
        return (long) values[told++];
    }

    double seconds() {
        return values[told++];
    }

    Finish finish() {
        return Finish.of((int) count());
    }
}
