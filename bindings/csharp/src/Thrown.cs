using System;
using System.Runtime.ExceptionServices;

namespace Sipo
{
    /// <summary>What a listener of a request threw on the scheduler's thread, for the thread that asks for
    /// tokens.</summary>
    internal sealed class Thrown
    {
        private volatile ExceptionDispatchInfo exception;

        public ProgressListener Guard(ProgressListener listener)
        {
            if (listener == null)
            {
                return null;
            }
            return (done, total) => Run(() => listener(done, total));
        }

        public LogProbabilitiesListener Guard(LogProbabilitiesListener listener)
        {
            if (listener == null)
            {
                return null;
            }
            return (token, likeliest) => Run(() => listener(token, likeliest));
        }

        private bool Run(Func<bool> call)
        {
            try
            {
                return call();
            }
            catch (Exception e)
            {
                exception = exception ?? ExceptionDispatchInfo.Capture(e);
                return false;
            }
        }

        public void Rethrow()
        {
            exception?.Throw();
        }
    }
}
