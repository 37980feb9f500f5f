using System;

namespace Sipo
{
    /// <summary>How <see cref="Session.Save"/> writes; what is null has its default.</summary>
    public sealed class SnapshotOptions
    {
        /// <summary><see cref="Sipo.Store.Raw"/>, the default and fastest, or <see cref="Sipo.Store.Zstd"/>.</summary>
        public Store? Store { get; set; }

        /// <summary>Whether a file that was saved survives a power cut; default true.</summary>
        public bool? Flush { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(Func<IntPtr, T> use)
        {
            IntPtr options = Native.new_SnapshotOptions();
            try
            {
                if (Store != null)
                {
                    Native.SnapshotOptions_store(options, (int)Store.Value);
                }
                if (Flush != null)
                {
                    Native.SnapshotOptions_flush(options, Flush.Value);
                }
                return use(options);
            }
            finally
            {
                Native.delete_SnapshotOptions(options);
            }
        }
    }
}
