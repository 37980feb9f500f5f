import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import sipo.Model;
import sipo.SamplingOptions;
import sipo.Session;

/** As overhead.c. */
public final class Overhead {
    public static void main(String[] args) throws Exception {
        String text = Files.readString(Path.of(args[1])).substring(0, 100_000);
        double prefill = 1e9;
        double stream = 1e9;
        SamplingOptions sampling = new SamplingOptions().ignoreEndOfText(true);
        try (Model model = Model.open(args[0]);
                Session session = model.newSession()) {
            int[] ids = Arrays.copyOf(model.tokenize(text), 16384);
            long[] length = {0};
            for (int round = 0; round < 4; ++round) {
                session.reset();
                long start = System.nanoTime();
                session.prefill(ids);
                long middle = System.nanoTime();
                session.generate(
                        1000,
                        sampling,
                        (token, piece) -> {
                            length[0] += piece.length();
                            return true;
                        });
                long end = System.nanoTime();
                if (round > 0) {
                    prefill = Math.min(prefill, (middle - start) * 1e-9);
                    stream = Math.min(stream, (end - middle) * 1e-9);
                }
            }
        }
        System.out.printf(java.util.Locale.ROOT, "%.6f %.6f%n", prefill, stream);
    }
}
