using System;
using System.IO;
using System.Net;
using System.Text;
using System.Threading;
using Sipo;

/// <summary>Answers questions about documents. POST /answer?question=... with the document as the body; the answer
/// comes as server-sent events, a token each, with a comment for every part of the document that is read. All
/// requests share one model; as many are worked on at a time as there are processors. A client that goes away ends
/// its work. GET /status tells how many requests there are and were.
/// <para>AnswerService MODEL [PORT]</para></summary>
internal sealed class AnswerService
{
    private const int MaxTokens = 32;

    private readonly Model model;
    private readonly SemaphoreSlim processors = new SemaphoreSlim(Environment.ProcessorCount);
    private int running;
    private int finished;
    private int cancelled;

    private AnswerService(Model model)
    {
        this.model = model;
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
                byte[] text = Encoding.UTF8.GetBytes(
                    string.Format("running {0} finished {1} cancelled {2}\n", running, finished, cancelled));
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
            request.Response.ContentType = "text/event-stream; charset=utf-8";
            request.Response.SendChunked = true;
            processors.Wait();
            try
            {
                Stream(document + " " + request.Request.QueryString["question"], request.Response.OutputStream);
            }
            finally
            {
                processors.Release();
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

    private void Stream(string prompt, Stream output)
    {
        SessionOptions options = new SessionOptions
        {
            Context = Context.LongMamba,
            Threads = 1,
            ChunkTokens = 256,
            Progress = (done, total) => Send(output, ": read " + done + " of " + total + "\n\n"),
        };
        using (Session session = model.NewSession(options))
        {
            session.Prefill(model.Tokenize(prompt));
            session.Generate(MaxTokens, token =>
                Send(output, "data: " + token.Text.Replace("\n", "\ndata: ") + "\n\n"));
        }
    }

    private sealed class ClientGoneException : Exception
    {
        public ClientGoneException(Exception cause) : base("the client has gone away", cause)
        {
        }
    }

    private static bool Send(Stream output, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        try
        {
            output.Write(bytes, 0, bytes.Length);
            output.Flush();
            return true;
        }
        catch (Exception e)
        {
            throw new ClientGoneException(e);
        }
    }
}
