import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import sipo.Context;
import sipo.Model;
import sipo.Session;
import sipo.SessionOptions;

/**
 * Answers questions about documents. POST /answer?question=... with the document as the body; the answer
 * comes as server-sent events, a token each, with a comment for every part of the document that is read.
 * All requests share one model; as many are worked on at a time as there are processors. A client that goes
 * away ends its work. GET /status tells how many requests there are and were.
 *
 * <p>java -cp sipo.jar AnswerService.java MODEL [PORT]
 */
public final class AnswerService {
    private static final int MAX_DOCUMENT_BYTES = 64 << 20;
    private static final int MAX_TOKENS = 32;

    private final Model model;
    // The same few threads do the work, whoever asks: each keeps some memory of its own.
    private final ExecutorService processors =
            Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors());
    private final AtomicInteger running = new AtomicInteger();
    private final AtomicInteger finished = new AtomicInteger();
    private final AtomicInteger cancelled = new AtomicInteger();

    private AnswerService(Model model) {
        this.model = model;
    }

    public static void main(String[] args) throws IOException {
        AnswerService service = new AnswerService(Model.open(args[0]));
        int port = args.length > 1 ? Integer.parseInt(args[1]) : 8080;
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 256);
        server.createContext("/answer", service::answer);
        server.createContext("/status", service::status);
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
        System.out.println("Listening on http://127.0.0.1:" + server.getAddress().getPort());
    }

    private void answer(HttpExchange exchange) throws IOException {
        running.incrementAndGet();
        try (exchange) {
            byte[] document = exchange.getRequestBody().readNBytes(MAX_DOCUMENT_BYTES);
            String prompt = new String(document, StandardCharsets.UTF_8) + " " + question(exchange);
            exchange.getResponseHeaders().set("Content-Type", "text/event-stream; charset=utf-8");
            exchange.sendResponseHeaders(200, 0);
            OutputStream out = exchange.getResponseBody();
            processors.submit(() -> stream(prompt, out)).get();
            finished.incrementAndGet();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UncheckedIOException) {
                cancelled.incrementAndGet();
            } else {
                System.err.println(e.getCause().getMessage());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            running.decrementAndGet();
        }
    }

    private void stream(String prompt, OutputStream out) {
        SessionOptions options = new SessionOptions().context(Context.LONGMAMBA).threads(1).chunkTokens(256);
        options.progress((done, total) -> send(out, ": read " + done + " of " + total + "\n\n"));
        try (Session session = model.newSession(options)) {
            session.prefill(model.tokenize(prompt));
            session.generate(
                    MAX_TOKENS, (token, text) -> send(out, "data: " + text.replace("\n", "\ndata: ") + "\n\n"));
        }
    }

    /** Throws what ends the work when the client has gone away. */
    private static boolean send(OutputStream out, String event) {
        try {
            out.write(event.getBytes(StandardCharsets.UTF_8));
            out.flush();
            return true;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String question(HttpExchange exchange) {
        String query = exchange.getRequestURI().getRawQuery();
        if (query == null || !query.startsWith("question=")) {
            return "";
        }
        return URLDecoder.decode(query.substring("question=".length()), StandardCharsets.UTF_8);
    }

    private void status(HttpExchange exchange) throws IOException {
        String text = "running " + running + " finished " + finished + " cancelled " + cancelled + "\n";
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try (exchange) {
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
        }
    }
}
