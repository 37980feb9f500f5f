/**
 * Mamba language models far beyond the length they were trained on.
 *
 * <p>A program needs a {@link sipo.Model}, the weights and the tokenizer of one {@code .sipo} file, and a
 * {@link sipo.Session}, one sequence with its recurrent state:
 *
 * <pre>{@code
 * try (Model model = Model.open("model.sipo");
 *         Session session = model.newSession(new SessionOptions().context(Context.LONGMAMBA))) {
 *     session.prefill(model.tokenize(text));
 *     session.generate(100, (token, piece) -> {
 *         System.out.print(piece);
 *         return true;
 *     });
 * }
 * }</pre>
 *
 * <p>Rules that hold everywhere:
 *
 * <ul>
 *   <li>A call that fails throws {@link sipo.SipoException} with the library's status and its one line. A
 *       null argument gives {@link java.lang.NullPointerException}, a negative size
 *       {@link java.lang.IllegalArgumentException}, an object that is closed
 *       {@link java.lang.IllegalStateException}.
 *   <li>Options are plain Java objects; their numbers are checked when they are used, and the message says
 *       the legal range.
 *   <li>A model may be used by all threads at once, a session by one at a time: a second is refused with
 *       {@link sipo.Status#INVALID_STATE}. Only {@link sipo.Session#cancel} and {@code close} may come at
 *       any time.
 *   <li>{@code close} frees an object, once; it may be called twice. Calls that run finish first. A model
 *       that is closed before its sessions leaves them working. The collector frees what was forgotten.
 *   <li>Callbacks run on the thread that made the call. What one throws ends the call and comes out of it.
 * </ul>
 *
 * <p>The native library is looked for in the folder that the system property {@code sipo.library.dir}
 * names, then on {@code java.library.path}, then in the jar.
 */
package sipo;
