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

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(Func<IntPtr, T> use)
        {
            Upcalls.EnsureRegistered();
            IntPtr options = Native.new_CalibrationOptions();
            try
            {
                if (Clamp != null)
                {
                    Native.CalibrationOptions_clamp(options, Clamp.Value);
                }
                if (Threads != null)
                {
                    Native.CalibrationOptions_threads(options, Threads.Value);
                }
                Native.CalibrationOptions_progress(options, Upcalls.Listen(Progress));
                return use(options);
            }
            finally
            {
                Native.delete_CalibrationOptions(options);
            }
        }
    }
}
