using System;

namespace Sipo
{
    /// <summary>States after prefixes of prompts that were read before, so that a prompt which starts with one reads
    /// its tail only; see <see cref="Model.NewCache"/>. It never changes an answer: what cannot be reused exactly is
    /// read again and counted. From all threads.</summary>
    public sealed class Cache : IDisposable
    {
        internal Cache(IntPtr address)
        {
            Handle = new NativeHandle(nameof(Cache), address, Native.delete_Cache);
        }

        internal NativeHandle Handle { get; }

        /// <summary>Facts about the cache since it was made.</summary>
        public CacheStatistics Statistics =>
            Handle.Use(cache => new CacheStatistics(NativeArray.Doubles(Native.Cache_statistics(cache))));

        /// <summary>Removes all entries of the model, those in the directory too.</summary>
        public void Clear()
        {
            Handle.Use(Native.Cache_clear);
        }

        /// <summary>Frees it; schedulers keep what they need, and the directory stays.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }
    }
}
