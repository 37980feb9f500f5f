using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.Open"/>; what is null has its default.</summary>
    public sealed class ModelOptions
    {
        /// <summary>Where the model computes: "auto" (the default), "cpu", "cuda" (the first device), "cuda:1".</summary>
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

        /// <summary>The most that the model and all its sessions take together of a GPU's memory, in bytes, else
        /// OutOfMemory; 0 (the default) for no limit.</summary>
        public long? DeviceMemoryLimit { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy, which calls <paramref name="hook"/> for
        /// progress.</summary>
        internal T Use<T>(ProgressListener hook, Func<IntPtr, T> use)
        {
            return NativeOptions.Use(Native.new_ModelOptions, options => Fill(options, hook),
                Native.delete_ModelOptions, use);
        }

        private void Fill(IntPtr options, ProgressListener hook)
        {
            NativeOptions.Set(options, Backend, Native.ModelOptions_backend);
            NativeOptions.Set(options, Threads, Native.ModelOptions_threads);
            NativeOptions.Set(options, MemoryLimit, Native.ModelOptions_memory_limit);
            NativeOptions.Set(options, DeviceMemoryLimit, Native.ModelOptions_device_memory_limit);
            Native.ModelOptions_progress(options, Upcalls.Listen(hook));
            Native.ModelOptions_log(options, Upcalls.Listen(Log));
        }
    }
}
