using System;
using System.Collections;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Sipo
{
    /// <summary>A generation that a <see cref="Scheduler"/> works on. From all threads; each token is given
    /// once.</summary>
    public sealed class Request : IDisposable
    {
        private const long ForEver = -1;

        private readonly NativeHandle handle;
        private readonly Thrown thrown;

        internal Request(IntPtr address, Thrown thrown)
        {
            this.thrown = thrown;
            handle = new NativeHandle(nameof(Request), address, Native.delete_Request);
        }

        /// <summary>Waits for the next token.</summary>
        /// <param name="cancellation">Ends the request.</param>
        /// <returns>Null at the end; just before it perhaps a token with the id -1 and text that was held
        /// back.</returns>
        /// <exception cref="SipoException">Cancelled, and what the request failed with, after its tokens.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public Token? Next(CancellationToken cancellation = default(CancellationToken))
        {
            return Next(ForEver, cancellation);
        }

        /// <summary>Waits for the next token no longer than this, up to 10^9 milliseconds.</summary>
        /// <exception cref="SipoException">TimedOut, and as the other.</exception>
        public Token? Next(TimeSpan timeout)
        {
            NativeHandle.Size((long)timeout.TotalMilliseconds, nameof(timeout));
            return Next((long)timeout.TotalMilliseconds, CancellationToken.None);
        }

        private Token? Next(long milliseconds, CancellationToken cancellation)
        {
            try
            {
                using (cancellation.Register(CancelIfOpen))
                {
                    return handle.Use(request => Read(Native.Request_next(request, milliseconds)));
                }
            }
            catch (SipoException e) when (e.Status == Status.Cancelled)
            {
                thrown.Rethrow();
                if (cancellation.IsCancellationRequested)
                {
                    throw new OperationCanceledException(e.Message, e, cancellation);
                }
                throw;
            }
        }

        private static Token? Read(IntPtr given)
        {
            try
            {
                int id = Native.RequestToken_id_of(given);
                string text = NativeArray.Text(Native.RequestToken_text_of(given));
                return id < 0 && text.Length == 0 ? (Token?)null : new Token(id, text);
            }
            finally
            {
                Native.delete_RequestToken(given);
            }
        }

        /// <summary>The same in the thread pool, unless a token is there already.</summary>
        public async Task<Token?> NextAsync(CancellationToken cancellation = default(CancellationToken))
        {
            try
            {
                return Next(0, cancellation);
            }
            catch (SipoException e) when (e.Status == Status.TimedOut)
            {
                return await Task.Run(() => Next(cancellation)).ConfigureAwait(false);
            }
        }

        /// <summary>The tokens as they come. Leaving the loop before the end cancels the request.</summary>
        public IEnumerable<Token> Tokens(CancellationToken cancellation = default(CancellationToken))
        {
            return new Reader(this, cancellation);
        }

        /// <summary>The same for <c>await foreach</c>.</summary>
        public IAsyncEnumerable<Token> TokensAsync(CancellationToken cancellation = default(CancellationToken))
        {
            return new Reader(this, cancellation);
        }

        /// <summary>Waits for the end and returns the text of all tokens that are left.</summary>
        public string Text(CancellationToken cancellation = default(CancellationToken))
        {
            StringBuilder all = new StringBuilder();
            for (Token? token = Next(cancellation); token != null; token = Next(cancellation))
            {
                all.Append(token.Value.Text);
            }
            return all.ToString();
        }

        /// <summary>Ends the request within a chunk or a token.</summary>
        public void Cancel()
        {
            handle.Use(Native.Request_cancel);
        }

        private void CancelIfOpen()
        {
            try
            {
                Cancel();
            }
            catch (ObjectDisposedException)
            {
                // Then it is cancelled anyway.
            }
        }

        /// <summary>Facts about the request so far.</summary>
        public RequestStatistics Statistics =>
            handle.Use(request => new RequestStatistics(NativeArray.Doubles(Native.Request_statistics(request))));

        /// <summary>Cancels the request, unless it has ended, and frees it. Not to be called from a listener of its
        /// options.</summary>
        public void Dispose()
        {
            CancelIfOpen();
            handle.Dispose();
        }

        private sealed class Reader : IEnumerable<Token>, IAsyncEnumerable<Token>, IEnumerator<Token>, IAsyncEnumerator<Token>
        {
            private readonly Request request;
            private CancellationToken cancellation;

            public Reader(Request request, CancellationToken cancellation)
            {
                this.request = request;
                this.cancellation = cancellation;
            }

            public Token Current { get; private set; }

            object IEnumerator.Current => Current;

            // Each token is given once, so enumerations share them.
            public IEnumerator<Token> GetEnumerator() => new Reader(request, cancellation);

            IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

            public IAsyncEnumerator<Token> GetAsyncEnumerator(CancellationToken ofLoop = default(CancellationToken))
            {
                return new Reader(request, ofLoop.CanBeCanceled ? ofLoop : cancellation);
            }

            public bool MoveNext() => Take(request.Next(cancellation));

            public async ValueTask<bool> MoveNextAsync()
            {
                return Take(await request.NextAsync(cancellation).ConfigureAwait(false));
            }

            private bool Take(Token? token)
            {
                Current = token.GetValueOrDefault();
                return token != null;
            }

            public void Dispose()
            {
                request.CancelIfOpen();
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return default(ValueTask);
            }

            public void Reset()
            {
                throw new NotSupportedException();
            }
        }
    }
}
