using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.NewCache"/>; what is null has its default.</summary>
    public sealed class CacheOptions
    {
        /// <summary>Bytes of entries in memory; 0 for none; default 256 MiB.</summary>
        public long? Memory { get; set; }

        /// <summary>Keeps entries in this directory too. Any number of processes may share it; it is made where it is
        /// missing.</summary>
        public string Directory { get; set; }

        /// <summary>Bytes of files in <see cref="Directory"/>, 1 or more; default 1 GiB.</summary>
        public long? DirectoryBytes { get; set; }

        /// <summary>Tokens from one kept state of a prompt to the next: 64 to 2^40, default 2048.</summary>
        public long? Interval { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(Func<IntPtr, T> use)
        {
            return NativeOptions.Use(Native.new_CacheOptions, Fill, Native.delete_CacheOptions, use);
        }

        private void Fill(IntPtr options)
        {
            NativeOptions.Set(options, Memory, Native.CacheOptions_memory);
            NativeOptions.Set(options, Directory, (IntPtr to, ref Utf8 path) =>
                Native.CacheOptions_directory(to, ref path, DirectoryBytes ?? 1L << 30));
            NativeOptions.Set(options, Interval, Native.CacheOptions_interval);
        }
    }
}
