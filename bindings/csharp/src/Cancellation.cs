using System;
using System.Threading;

namespace Sipo
{
    /// <summary>Calls of the native library that a token ends.</summary>
    internal static class Cancellation
    {
        /// <summary>A listener that also ends the call when the token says so.</summary>
        public static ProgressListener Watch(ProgressListener listener, CancellationToken cancellation)
        {
            return (done, total) =>
                !cancellation.IsCancellationRequested && (listener == null || listener(done, total));
        }

        /// <summary>Runs a call, whose end by the token is the token's exception.</summary>
        public static T Run<T>(CancellationToken cancellation, Func<T> call)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                return call();
            }
            catch (SipoException e) when (e.Status == Status.Cancelled && cancellation.IsCancellationRequested)
            {
                throw new OperationCanceledException(e.Message, e, cancellation);
            }
        }

        /// <summary>The same for a call that <paramref name="cancel"/> ends, which has no effect while it does not
        /// run.</summary>
        public static T Run<T>(CancellationToken cancellation, Action cancel, Func<T> call)
        {
            cancellation.ThrowIfCancellationRequested();
            using (Repeated repeated = new Repeated(cancel))
            using (cancellation.Register(repeated.Begin))
            {
                return Run(cancellation, call);
            }
        }

        /// <summary>Cancels a call again and again, because a cancel that comes before the native part of the call has
        /// no effect; but never after its end, where it would meet the next call.</summary>
        private sealed class Repeated : IDisposable
        {
            private const int Milliseconds = 1;

            private readonly Action cancel;
            private Timer timer;
            private bool ended;

            public Repeated(Action cancel)
            {
                this.cancel = cancel;
            }

            public void Begin()
            {
                Cancel();
                lock (this)
                {
                    if (!ended)
                    {
                        timer = new Timer(state => Cancel(), null, Milliseconds, Milliseconds);
                    }
                }
            }

            private void Cancel()
            {
                lock (this)
                {
                    if (!ended)
                    {
                        cancel();
                    }
                }
            }

            public void Dispose()
            {
                lock (this)
                {
                    ended = true;
                    timer?.Dispose();
                }
            }
        }
    }
}
