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
        private readonly NativeHandle handle;
        private readonly int vocabSize;

        internal Session(IntPtr model, int vocabSize, SessionOptions options)
        {
            this.vocabSize = vocabSize;
            handle = options.Use(model, options.Progress, chosen =>
                new NativeHandle(nameof(Session), Native.new_Session(chosen), Native.delete_Session));
        }

        private Session(IntPtr address, int vocabSize)
        {
            this.vocabSize = vocabSize;
            handle = new NativeHandle(nameof(Session), address, Native.delete_Session);
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

        /// <summary>Prefill with the help of a cache of the same model; <see cref="SessionStatistics.ReusedTokens"/>
        /// tells what it had. A session that has read tokens before neither asks nor fills it.</summary>
        public void PrefillCached(Cache cache, ReadOnlySpan<int> ids,
            CancellationToken cancellation = default(CancellationToken))
        {
            RequireNotNull(cache, nameof(cache));
            Run(ids, cancellation, (session, data, count) => cache.Handle.Use(kept =>
            {
                Native.Session_prefill_cached(session, kept, data, count);
                return true;
            }));
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
                got += token.Id < 0 ? 0 : 1;
                stopped = !listener(token);
                return !stopped;
            };
            try
            {
                Run(cancellation, session => (options ?? new SamplingOptions()).Use(sampling =>
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

        /// <summary>Reads the text that follows best, each taken as a whole.</summary>
        /// <param name="texts">1 to 4096 of a token or more.</param>
        /// <param name="cancellation">Ends the call within a token.</param>
        /// <exception cref="SipoException">InvalidState before the first token, Cancelled by
        /// <see cref="Cancel"/>.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public Choice Choose(IReadOnlyList<string> texts,
            CancellationToken cancellation = default(CancellationToken))
        {
            RequireNotNull(texts, nameof(texts));
            IntPtr choice = Native.new_Choice();
            try
            {
                foreach (string text in texts)
                {
                    Utf8.Pass(text, nameof(texts), bytes =>
                    {
                        Native.Choice_add(choice, ref bytes);
                        return true;
                    });
                }
                int index = (int)Run(cancellation, session => Native.Choice_make(choice, session));
                return new Choice(index, NativeArray.Floats(Native.Choice_log_probabilities(choice)));
            }
            finally
            {
                Native.delete_Choice(choice);
            }
        }

        /// <summary>A session that stands where this one stands and goes its own way. The two share
        /// threads.</summary>
        public Session Fork() => handle.Use(session => new Session(Native.Session_fork(session), vocabSize));

        private delegate void TextCall(IntPtr session, ref Utf8 text);

        private void PassText(string text, string name, TextCall call)
        {
            Utf8.Pass(text, name, bytes => handle.Use(session =>
            {
                call(session, ref bytes);
                return true;
            }));
        }

        /// <summary>Keeps where the session stands under a name of 1 to 255 bytes, in memory.</summary>
        public void Checkpoint(string name)
        {
            PassText(name, nameof(name), Native.Session_checkpoint);
        }

        /// <summary>Back to that checkpoint, which stays.</summary>
        /// <exception cref="SipoException">NotFound names the ones there are.</exception>
        public void Rewind(string name)
        {
            PassText(name, nameof(name), Native.Session_rewind);
        }

        /// <summary>Forgets that checkpoint.</summary>
        public void DropCheckpoint(string name)
        {
            PassText(name, nameof(name), Native.Session_drop_checkpoint);
        }

        /// <summary>Saves the session to a file, which appears complete or not at all.</summary>
        /// <exception cref="SipoException">IoError.</exception>
        public void Save(string path, SnapshotOptions options = null)
        {
            (options ?? new SnapshotOptions()).Use(chosen =>
            {
                PassText(path, nameof(path), (IntPtr session, ref Utf8 file) =>
                    Native.Session_save(session, ref file, chosen));
                return true;
            });
        }

        /// <summary>Goes on where the session of a snapshot stood: one of the same model, context method and options.
        /// If it is refused, the session is as it was.</summary>
        /// <exception cref="SipoException">InvalidArgument for another model or other options, CorruptFile, Unsupported
        /// (a newer format), NotFound, IoError.</exception>
        public void Load(string path)
        {
            PassText(path, nameof(path), Native.Session_load);
        }

        /// <summary>Saves to memory.</summary>
        public byte[] SaveMemory(SnapshotOptions options = null)
        {
            return (options ?? new SnapshotOptions()).Use(chosen => handle.Use(session =>
                NativeArray.Bytes(Native.Session_save_memory(session, chosen))));
        }

        /// <summary>As <see cref="Load"/>, from memory.</summary>
        public unsafe void LoadMemory(ReadOnlySpan<byte> snapshot)
        {
            byte none;
            fixed (byte* first = &MemoryMarshal.GetReference(snapshot))
            {
                IntPtr data = snapshot.Length > 0 ? (IntPtr)first : (IntPtr)(&none);
                UIntPtr length = (UIntPtr)(uint)snapshot.Length;
                handle.Use(session => { Native.Session_load_memory(session, data, length); });
            }
        }

        /// <summary>Facts about the last prompt and the last generation.</summary>
        public SessionStatistics Statistics =>
            handle.Use(session => new SessionStatistics(NativeArray.Doubles(Native.Session_statistics(session))));

        /// <summary>A hash of all tokens read so far, as <see cref="Model.TokenHash"/> gives.</summary>
        public long TokenHash => handle.Use(Native.Session_token_hash);

        /// <summary>The token with the largest logit, known without fetching them: the greedy
        /// choice.</summary>
        public int Likeliest() => handle.Use(Native.Session_likeliest);

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

        private T Run<T>(CancellationToken cancellation, Func<IntPtr, T> call)
        {
            return Cancellation.Run(cancellation, CancelIfOpen, () => handle.Use(call));
        }

        private unsafe T Run<T>(ReadOnlySpan<int> ids, CancellationToken cancellation,
            Func<IntPtr, IntPtr, UIntPtr, T> call)
        {
            fixed (int* first = &MemoryMarshal.GetReference(ids))
            {
                IntPtr data = (IntPtr)first;
                UIntPtr count = (UIntPtr)(uint)ids.Length;
                return Run(cancellation, session => call(session, data, count));
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
