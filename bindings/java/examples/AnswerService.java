import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import sipo.CacheOptions;
import sipo.Context;
import sipo.Model;
import sipo.Request;
import sipo.RequestStatistics;
import sipo.SamplingOptions;
import sipo.Scheduler;
import sipo.SchedulerOptions;
import sipo.SessionOptions;
import sipo.SipoException;
import sipo.Status;
import sipo.Token;

/**
 * Answers questions about documents. POST /answer?question=... with the document as the body; the answer
 * comes as server-sent events, a token each, with comments while the document is read. One scheduler serves all
 * requests, and a document that was asked about before is not read again. A client that goes away ends its work.
 * GET /status tells how many requests there are and were, and how many tokens were not read again.
 *
 * <p>java -cp sipo.jar AnswerService.java MODEL [PORT]
 */
public final class AnswerService {
    private static final int MAX_DOCUMENT_BYTES = 64 << 20;
    private static final int MAX_TOKENS = 32;
    private static final long CACHE_BYTES = 64 << 20;
    /** How long a client is not told anything. */
    private static final Duration PATIENCE = Duration.ofMillis(200);

    private final Model model;
    private final Scheduler scheduler;
    private final AtomicInteger running = new AtomicInteger();
    private final AtomicInteger finished = new AtomicInteger();
    private final AtomicInteger cancelled = new AtomicInteger();

    private AnswerService(Model model) {
        this.model = model;
        scheduler =
                model.newScheduler(
                        new SchedulerOptions().cache(model.newCache(new CacheOptions().memory(CACHE_BYTES))));
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

    private void answer(HttpExchange exchange) {
        running.incrementAndGet();
        try (exchange) {
            byte[] document = exchange.getRequestBody().readNBytes(MAX_DOCUMENT_BYTES);
            int[] prompt = model.tokenize(new String(document, StandardCharsets.UTF_8) + " " + question(exchange));
            try (Request request = scheduler.submit(prompt, MAX_TOKENS, options(prompt), new SamplingOptions())) {
                exchange.getResponseHeaders().set("Content-Type", "text/event-stream; charset=utf-8");
                exchange.sendResponseHeaders(200, 0);
                stream(request, exchange.getResponseBody());
            }
            finished.incrementAndGet();
        } catch (IOException clientHasGone) {
            cancelled.incrementAndGet();
        } catch (SipoException e) {
            System.err.println(e.getMessage());
        } finally {
            running.decrementAndGet();
        }
    }

    /** Prompts of about the same length are filtered alike, so that they share what they begin with. */
    private static SessionOptions options(int[] prompt) {
        return new SessionOptions().context(Context.LONGMAMBA).expectedTokens((prompt.length / 1024 + 1) * 1024L);
    }

    private static void stream(Request request, OutputStream out) throws IOException {
        for (;;) {
            try {
                Optional<Token> token = request.next(PATIENCE);
                if (token.isEmpty()) {
                    return;
                }
                send(out, "data: " + token.get().text().replace("\n", "\ndata: ") + "\n\n");
            } catch (SipoException e) {
                if (e.status() != Status.TIMED_OUT) {
                    throw e;
                }
                RequestStatistics sofar = request.statistics();
                send(out, ": read " + sofar.promptDone() + " of " + sofar.promptTokens() + "\n\n");
            }
        }
    }

    /** Throws when the client has gone away. */
    private static void send(OutputStream out, String event) throws IOException {
        out.write(event.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private static String question(HttpExchange exchange) {
        String query = exchange.getRequestURI().getRawQuery();
        if (query == null || !query.startsWith("question=")) {
            return "";
        }
        return URLDecoder.decode(query.substring("question=".length()), StandardCharsets.UTF_8);
    }

    private void status(HttpExchange exchange) throws IOException {
        String text = "running " + running + " finished " + finished + " cancelled " + cancelled + " reused "
                + scheduler.statistics().reusedTokens() + "\n";
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try (exchange) {
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
        }
    }
}
