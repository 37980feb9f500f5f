using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.Calibrate"/>; what is null has its default.</summary>
    public sealed class CalibrationOptions
    {
        /// <summary>Share of the largest delta that are clamped to the smallest of them: 0 (off, the default) to below 1.</summary>
        public double? Clamp { get; set; }

        /// <summary>Threads: 1 to 256; 0 (the default) takes as many as the process may use.</summary>
        public int? Threads { get; set; }

        /// <summary>Progress in layers times sequences.</summary>
        public ProgressListener Progress { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy, which calls <paramref name="hook"/> for
        /// progress.</summary>
        internal T Use<T>(ProgressListener hook, Func<IntPtr, T> use)
        {
            return NativeOptions.Use(Native.new_CalibrationOptions, options => Fill(options, hook),
                Native.delete_CalibrationOptions, use);
        }

        private void Fill(IntPtr options, ProgressListener hook)
        {
            NativeOptions.Set(options, Clamp, Native.CalibrationOptions_clamp);
            NativeOptions.Set(options, Threads, Native.CalibrationOptions_threads);
            Native.CalibrationOptions_progress(options, Upcalls.Listen(hook));
        }
    }
}
