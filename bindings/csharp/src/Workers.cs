using System;

namespace Sipo
{
    /// <summary>Threads and working memory that sessions share, so that a session is a few megabytes and starts no
    /// thread; see <see cref="Model.NewWorkers"/>. Sessions that share workers may be used by different threads at
    /// once: they take turns, chunk by chunk and token by token.</summary>
    public sealed class Workers : IDisposable
    {
        internal Workers(IntPtr address)
        {
            Handle = new NativeHandle(nameof(Workers), address, Native.delete_Workers);
        }

        internal NativeHandle Handle { get; }

        /// <summary>Frees them; sessions keep what they need.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }
    }
}
