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
            return NativeOptions.Use(Native.new_SnapshotOptions, Fill, Native.delete_SnapshotOptions, use);
        }

        private void Fill(IntPtr options)
        {
            NativeOptions.Set(options, (int?)Store, Native.SnapshotOptions_store);
            NativeOptions.Set(options, Flush, Native.SnapshotOptions_flush);
        }
    }
}
