using System;
using System.IO;
using System.Net;
using System.Text;
using System.Threading;
using Sipo;

/// <summary>Answers questions about documents. POST /answer?question=... with the document as the body; the answer
/// comes as server-sent events, a token each, with comments while the document is read. One scheduler serves all
/// requests, and a document that was asked about before is not read again. A client that goes away ends its work. GET
/// /status tells how many requests there are and were, and how many tokens were not read again.
/// <para>AnswerService MODEL [PORT]</para></summary>
internal sealed class AnswerService
{
    private const int MaxTokens = 32;

    private const long CacheBytes = 64 << 20;

    // How long a client is not told anything.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(200);

    private readonly Model model;
    private readonly Scheduler scheduler;
    private int running;
    private int finished;
    private int cancelled;

    private AnswerService(Model model)
    {
        this.model = model;
        Cache cache = model.NewCache(new CacheOptions { Memory = CacheBytes });
        scheduler = model.NewScheduler(new SchedulerOptions { Cache = cache });
    }

    private static void Main(string[] args)
    {
        AnswerService service = new AnswerService(Model.Open(args[0]));
        string address = "http://127.0.0.1:" + (args.Length > 1 ? args[1] : "8080");
        HttpListener listener = new HttpListener();
        listener.Prefixes.Add(address + "/");
        listener.Start();
        Console.WriteLine("Listening on " + address);
        while (true)
        {
            HttpListenerContext request = listener.GetContext();
            // A thread each: the work blocks, and the pool is slow to grow.
            new Thread(() => service.Serve(request)) { IsBackground = true }.Start();
        }
    }

    private void Serve(HttpListenerContext request)
    {
        try
        {
            if (request.Request.Url.AbsolutePath == "/status")
            {
                byte[] text = Encoding.UTF8.GetBytes(string.Format("running {0} finished {1} cancelled {2} reused {3}\n",
                    running, finished, cancelled, scheduler.Statistics.ReusedTokens));
                request.Response.Close(text, false);
                return;
            }
            Answer(request);
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(e.Message);
            request.Response.Abort();
        }
    }

    private void Answer(HttpListenerContext request)
    {
        Interlocked.Increment(ref running);
        try
        {
            string document = new StreamReader(request.Request.InputStream, Encoding.UTF8).ReadToEnd();
            int[] prompt = model.Tokenize(document + " " + request.Request.QueryString["question"]);
            request.Response.ContentType = "text/event-stream; charset=utf-8";
            request.Response.SendChunked = true;
            using (Request answer = scheduler.Submit(prompt, MaxTokens, OptionsFor(prompt)))
            {
                Stream(answer, request.Response.OutputStream);
            }
            request.Response.Close();
            Interlocked.Increment(ref finished);
        }
        catch (ClientGoneException)
        {
            Interlocked.Increment(ref cancelled);
            request.Response.Abort();
        }
        finally
        {
            Interlocked.Decrement(ref running);
        }
    }

    // Prompts of about the same length are filtered alike, so that they share what they begin with.
    private static SessionOptions OptionsFor(int[] prompt)
    {
        return new SessionOptions { Context = Context.LongMamba, ExpectedTokens = (prompt.Length / 1024 + 1) * 1024L };
    }

    private static void Stream(Request answer, Stream output)
    {
        while (true)
        {
            try
            {
                Token? token = answer.Next(Patience);
                if (token == null)
                {
                    return;
                }
                Send(output, "data: " + token.Value.Text.Replace("\n", "\ndata: ") + "\n\n");
            }
            catch (SipoException e) when (e.Status == Status.TimedOut)
            {
                RequestStatistics sofar = answer.Statistics;
                Send(output, ": read " + sofar.PromptDone + " of " + sofar.PromptTokens + "\n\n");
            }
        }
    }

    private sealed class ClientGoneException : Exception
    {
        public ClientGoneException(Exception cause) : base("the client has gone away", cause)
        {
        }
    }

    private static void Send(Stream output, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        try
        {
            output.Write(bytes, 0, bytes.Length);
            output.Flush();
        }
        catch (Exception e)
        {
            throw new ClientGoneException(e);
        }
    }
}
