using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.Open(string, ModelOptions)"/>; what is null has its default.</summary>
    public sealed class ModelOptions
    {
        /// <summary>Where the model computes: "auto" (the default) or "cpu".</summary>
        public string Backend { get; set; }

        /// <summary>Threads that load: 1 to 256; 0 (the default) takes as many as the process may use.</summary>
        public int? Threads { get; set; }

        /// <summary>Progress of loading in bytes of weights.</summary>
        public ProgressListener Progress { get; set; }

        /// <summary>Where the model and its sessions write log lines.</summary>
        public LogListener Log { get; set; }

        /// <summary>The most bytes of weights of a model that is opened, else OutOfMemory; 0 (the default) for no
        /// limit.</summary>
        public long? MemoryLimit { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(Func<IntPtr, T> use)
        {
            Upcalls.EnsureRegistered();
            IntPtr options = Native.new_ModelOptions();
            try
            {
                if (Backend != null)
                {
                    Utf8.Pass(Backend, nameof(Backend), text => Native.ModelOptions_backend(options, ref text));
                }
                if (Threads != null)
                {
                    Native.ModelOptions_threads(options, Threads.Value);
                }
                if (MemoryLimit != null)
                {
                    Native.ModelOptions_memory_limit(options, MemoryLimit.Value);
                }
                Native.ModelOptions_progress(options, Upcalls.Listen(Progress));
                Native.ModelOptions_log(options, Upcalls.Listen(Log));
                return use(options);
            }
            finally
            {
                Native.delete_ModelOptions(options);
            }
        }
    }
}
