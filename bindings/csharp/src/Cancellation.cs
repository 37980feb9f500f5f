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
    }
}
