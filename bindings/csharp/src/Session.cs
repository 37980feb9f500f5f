using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Sipo
{
    /// <summary>One sequence: its recurrent state, a few megabytes whatever the length of the prompt, and the method
    /// that extends its context. One thread at a time; <see cref="Cancel"/> and <see cref="Dispose"/> from any. A
    /// callback must not use the session it is called from, except for those two.</summary>
    public sealed class Session : IDisposable
    {
        /// <summary>What long calls ask now and then. It does not know its session, which may be
        /// collected.</summary>
        private sealed class Hook
        {
            private readonly ProgressListener listener;

            public Hook(ProgressListener listener)
            {
                this.listener = listener;
            }

            public CancellationToken Cancellation { get; set; }

            public bool OnProgress(long done, long total)
            {
                return !Cancellation.IsCancellationRequested && (listener == null || listener(done, total));
            }
        }

        private readonly NativeHandle handle;
        private readonly Hook hook;
        private readonly int vocabSize;

        internal Session(IntPtr model, int vocabSize, SessionOptions options)
        {
            this.vocabSize = vocabSize;
            hook = new Hook(options.Progress);
            handle = options.Use(model, hook.OnProgress, chosen =>
                new NativeHandle(nameof(Session), Native.new_Session(chosen), Native.delete_Session));
        }

        /// <summary>Reads a prompt after what was read before. The context method acts here. If it fails or is
        /// cancelled, the session is as it was.</summary>
        /// <param name="ids">1 or more tokens, each 0 to <see cref="Model.VocabSize"/> - 1.</param>
        /// <param name="cancellation">Ends the call within a chunk.</param>
        /// <exception cref="SipoException">OutOfRange (which token), Cancelled by <see cref="Cancel"/>.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public void Prefill(int[] ids, CancellationToken cancellation = default(CancellationToken))
        {
            RequireNotNull(ids, nameof(ids));
            Prefill(ids.AsSpan(), cancellation);
        }

        /// <summary>The same for a span, without a copy.</summary>
        public void Prefill(ReadOnlySpan<int> ids, CancellationToken cancellation = default(CancellationToken))
        {
            Run(ids, cancellation, (session, data, count) =>
            {
                Native.Session_prefill(session, data, count);
                return true;
            });
        }

        /// <summary>Prefill in the thread pool.</summary>
        public Task PrefillAsync(int[] ids, CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Run(() => Prefill(ids, cancellation), cancellation);
        }

        /// <summary>Prefill that also gives the logits at the last tokens, as [last,
        /// <see cref="Model.VocabSize"/>]. With DeciMamba the protected tail has to reach that far.</summary>
        /// <param name="ids">As for Prefill.</param>
        /// <param name="last">1 to as many as ids are.</param>
        /// <param name="cancellation">Ends the call within a chunk.</param>
        public float[] PrefillLogits(ReadOnlySpan<int> ids, int last,
            CancellationToken cancellation = default(CancellationToken))
        {
            UIntPtr rows = NativeHandle.Size(last, nameof(last));
            return Run(ids, cancellation, (session, data, count) =>
                NativeArray.Floats(Native.Session_prefill_logits(session, data, count, rows)));
        }

        /// <summary>Prefill that also gives the negative log-likelihood, in nats, of each of the last
        /// <paramref name="scored"/> tokens. With DeciMamba the protected tail has to be scored + 1 or
        /// more.</summary>
        /// <param name="ids">As for Prefill.</param>
        /// <param name="scored">1 to one less than ids are, to as many if the session has read tokens
        /// before.</param>
        /// <param name="cancellation">Ends the call within a chunk.</param>
        public float[] Score(ReadOnlySpan<int> ids, int scored,
            CancellationToken cancellation = default(CancellationToken))
        {
            UIntPtr tokens = NativeHandle.Size(scored, nameof(scored));
            return Run(ids, cancellation, (session, data, count) =>
                NativeArray.Floats(Native.Session_score(session, data, count, tokens)));
        }

        /// <summary>Reads one token by the plain recurrence, whatever the context method.</summary>
        public void Decode(int token)
        {
            handle.Use(session => { Native.Session_decode(session, token); });
        }

        /// <summary>Reads one token in each of several different sessions of one model, in one pass over the
        /// weights.</summary>
        /// <exception cref="SipoException">InvalidArgument when a session is of another model, InvalidState when
        /// one stands twice or is in use; then none has read its token.</exception>
        /// <exception cref="ArgumentException">When the lists differ in length.</exception>
        public static void DecodeTogether(IReadOnlyList<Session> sessions, IReadOnlyList<int> tokens)
        {
            RequireNotNull(sessions, nameof(sessions));
            RequireNotNull(tokens, nameof(tokens));
            if (sessions.Count != tokens.Count)
            {
                throw new ArgumentException("sessions and tokens differ in length", nameof(tokens));
            }
            Upcalls.EnsureRegistered();
            IntPtr batch = Native.new_Batch();
            int held = 0;
            try
            {
                for (; held < tokens.Count; ++held)
                {
                    RequireNotNull(sessions[held], nameof(sessions));
                    Native.Batch_add(batch, sessions[held].handle.Acquire(), tokens[held]);
                }
                Native.Batch_decode(batch);
            }
            finally
            {
                while (held > 0)
                {
                    sessions[--held].handle.DangerousRelease();
                }
                Native.delete_Batch(batch);
            }
        }

        /// <summary>Logits after the last token, [<see cref="Model.VocabSize"/>].</summary>
        /// <exception cref="SipoException">InvalidState before the first token.</exception>
        public float[] Logits()
        {
            float[] logits = new float[vocabSize];
            CopyLogits(logits);
            return logits;
        }

        /// <summary>The same into a span; how many they are.</summary>
        /// <exception cref="SipoException">InvalidState before the first token, BufferTooSmall.</exception>
        public unsafe int CopyLogits(Span<float> into)
        {
            float none;
            fixed (float* first = &MemoryMarshal.GetReference(into))
            {
                // A null address would only ask for the number.
                IntPtr data = into.Length > 0 ? (IntPtr)first : (IntPtr)(&none);
                UIntPtr capacity = (UIntPtr)(uint)into.Length;
                return (int)handle.Use(session => Native.Session_logits_into(session, data, capacity));
            }
        }

        /// <summary>Generates from where the session stands and reads each token, so that the session can go on.
        /// The end of text stops it and is neither reported nor read.</summary>
        /// <param name="maxTokens">1 to 2^40.</param>
        /// <param name="listener">Gets every token; what it was called with has been read, also when it
        /// throws.</param>
        /// <param name="options">Null for greedy.</param>
        /// <param name="cancellation">Ends the call within a token.</param>
        /// <returns>How many tokens the listener got.</returns>
        /// <exception cref="SipoException">InvalidState before the first token, Cancelled by
        /// <see cref="Cancel"/>.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public long Generate(long maxTokens, TokenListener listener, SamplingOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            UIntPtr most = NativeHandle.Size(maxTokens, nameof(maxTokens));
            RequireNotNull(listener, nameof(listener));
            long got = 0;
            bool stopped = false;
            TokenListener counting = token =>
            {
                ++got;
                stopped = !listener(token);
                return !stopped && !cancellation.IsCancellationRequested;
            };
            try
            {
                Run(ReadOnlySpan<int>.Empty, cancellation, (session, data, count) =>
                    (options ?? new SamplingOptions()).Use(sampling =>
                        Native.Session_generate(session, most, Upcalls.Listen(counting), sampling)));
            }
            catch (SipoException e) when (stopped && e.Status == Status.Cancelled)
            {
                // The listener had enough.
            }
            return got;
        }

        /// <summary>Generates and returns the text of all tokens.</summary>
        public string GenerateText(long maxTokens, SamplingOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            StringBuilder all = new StringBuilder();
            Generate(maxTokens, token => all.Append(token.Text) != null, options, cancellation);
            return all.ToString();
        }

        /// <summary>Generates in the thread pool.</summary>
        public Task<long> GenerateAsync(long maxTokens, TokenListener listener, SamplingOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Run(() => Generate(maxTokens, listener, options, cancellation), cancellation);
        }

        /// <summary>Generates in a thread of its own, a few tokens ahead of the reader, who gets them one by one.
        /// Leaving the loop cancels the rest; the session must not be used until then.</summary>
        public IEnumerable<Token> Tokens(long maxTokens, SamplingOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            NativeHandle.Size(maxTokens, nameof(maxTokens));
            return new TokenReader(this, maxTokens, options, cancellation);
        }

        /// <summary>The same for <c>await foreach</c>.</summary>
        public IAsyncEnumerable<Token> TokensAsync(long maxTokens, SamplingOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            NativeHandle.Size(maxTokens, nameof(maxTokens));
            return new TokenReader(this, maxTokens, options, cancellation);
        }

        /// <summary>Tokens read so far.</summary>
        public long Position => handle.Use(Native.Session_position);

        /// <summary>Which tokens of the last prefill reached the last layer: indices into its ids,
        /// ascending.</summary>
        public long[] KeptTokens() => handle.Use(s => NativeArray.Longs(Native.Session_kept_tokens(s)));

        /// <summary>Back to position 0.</summary>
        public void Reset()
        {
            handle.Use(Native.Session_reset);
        }

        /// <summary>Makes the call that runs in the session, if one does, fail with <see cref="Status.Cancelled"/>
        /// within a chunk or a token. Any thread.</summary>
        public void Cancel()
        {
            handle.Use(Native.Session_cancel);
        }

        /// <summary>Where the session computes, such as "cpu (avx512), 2 threads".</summary>
        public string BackendName => handle.Use(s => NativeArray.Text(Native.Session_backend_name(s)));

        /// <summary>Cancels what runs in the session and frees it when that has returned.</summary>
        public void Dispose()
        {
            CancelIfOpen();
            handle.Dispose();
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

        private unsafe T Run<T>(ReadOnlySpan<int> ids, CancellationToken cancellation,
            Func<IntPtr, IntPtr, UIntPtr, T> call)
        {
            cancellation.ThrowIfCancellationRequested();
            fixed (int* first = &MemoryMarshal.GetReference(ids))
            {
                IntPtr data = (IntPtr)first;
                UIntPtr count = (UIntPtr)(uint)ids.Length;
                try
                {
                    // The hook sees a cancel that comes before the native call, where Cancel has no effect.
                    hook.Cancellation = cancellation;
                    using (cancellation.Register(CancelIfOpen))
                    {
                        return handle.Use(session => call(session, data, count));
                    }
                }
                catch (SipoException e) when (e.Status == Status.Cancelled && cancellation.IsCancellationRequested)
                {
                    throw new OperationCanceledException(e.Message, e, cancellation);
                }
                finally
                {
                    hook.Cancellation = CancellationToken.None;
                }
            }
        }

        internal static void RequireNotNull(object argument, string name)
        {
            if (argument == null)
            {
                throw new ArgumentNullException(name);
            }
        }

        /// <summary>Calls with the address of an array, which stays in place.</summary>
        internal static unsafe T Pin<T>(int[] ids, Func<IntPtr, UIntPtr, T> call)
        {
            fixed (int* first = ids)
            {
                return call((IntPtr)first, (UIntPtr)(uint)ids.Length);
            }
        }

        internal static void Pin(int[] ids, Action<IntPtr, UIntPtr> call)
        {
            Pin(ids, (data, count) =>
            {
                call(data, count);
                return true;
            });
        }
    }
}
