using System;
using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Runtime.ExceptionServices;
using System.Threading;
using System.Threading.Tasks;

namespace Sipo
{
    /// <summary>Turns a generation, which calls, into a sequence, which is asked. Every enumeration
    /// generates.</summary>
    internal sealed class TokenReader : IEnumerable<Token>, IAsyncEnumerable<Token>
    {
        private const int TokensAhead = 16;

        private readonly Session session;
        private readonly long maxTokens;
        private readonly SamplingOptions options;
        private readonly CancellationToken cancellation;

        public TokenReader(Session session, long maxTokens, SamplingOptions options, CancellationToken cancellation)
        {
            this.session = session;
            this.maxTokens = maxTokens;
            this.options = options;
            this.cancellation = cancellation;
        }

        public IEnumerator<Token> GetEnumerator() => new Enumerator(this, cancellation);

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public IAsyncEnumerator<Token> GetAsyncEnumerator(CancellationToken ofLoop = default(CancellationToken))
        {
            return new Enumerator(this, ofLoop.CanBeCanceled ? ofLoop : cancellation);
        }

        private sealed class Enumerator : IEnumerator<Token>, IAsyncEnumerator<Token>
        {
            private readonly ConcurrentQueue<Token> queue = new ConcurrentQueue<Token>();
            private readonly SemaphoreSlim filled = new SemaphoreSlim(0);
            private readonly SemaphoreSlim room = new SemaphoreSlim(TokensAhead);
            private readonly CancellationTokenSource stop;
            private readonly TokenReader reader;
            private readonly CancellationToken cancellation;
            private Task generation;

            public Enumerator(TokenReader reader, CancellationToken cancellation)
            {
                this.reader = reader;
                this.cancellation = cancellation;
                stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            }

            public Token Current { get; private set; }

            object IEnumerator.Current => Current;

            public bool MoveNext()
            {
                Start();
                filled.Wait();
                return Take();
            }

            public async ValueTask<bool> MoveNextAsync()
            {
                Start();
                await filled.WaitAsync().ConfigureAwait(false);
                return Take();
            }

            /// <summary>Stops the generation and waits for its end, a token away.</summary>
            public void Dispose()
            {
                stop.Cancel();
                try
                {
                    generation?.Wait();
                }
                catch (AggregateException)
                {
                    // The reader has left: nobody wants to know.
                }
                stop.Dispose();
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

            private void Start()
            {
                if (generation == null)
                {
                    generation = Task.Factory.StartNew(Generate, CancellationToken.None, TaskCreationOptions.LongRunning,
                        TaskScheduler.Default);
                }
            }

            private void Generate()
            {
                try
                {
                    reader.session.Generate(reader.maxTokens, Put, reader.options, stop.Token);
                }
                finally
                {
                    filled.Release();
                }
            }

            private bool Put(Token token)
            {
                room.Wait(stop.Token);
                queue.Enqueue(token);
                filled.Release();
                return true;
            }

            private bool Take()
            {
                Token next;
                if (queue.TryDequeue(out next))
                {
                    Current = next;
                    room.Release();
                    return true;
                }
                filled.Release();
                Finish();
                return false;
            }

            /// <summary>Throws what ended the generation, if something did.</summary>
            private void Finish()
            {
                try
                {
                    generation.Wait();
                }
                catch (AggregateException e)
                {
                    cancellation.ThrowIfCancellationRequested();
                    ExceptionDispatchInfo.Capture(e.InnerException).Throw();
                }
            }
        }
    }
}
