using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.NewScheduler"/>; what is null has its default.</summary>
    public sealed class SchedulerOptions
    {
        /// <summary>1 to 256; 0 (the default) takes as many as the process may use.</summary>
        public int? Threads { get; set; }

        /// <summary>Requests that are worked on at once: 1 to 65536, default 64.</summary>
        public long? Sessions { get; set; }

        /// <summary>Requests that wait at most: 1 to 2^24, default 1024.</summary>
        public long? Queue { get; set; }

        /// <summary>Tokens of prompts that are read a round at most: 1 to 65536, default 128.</summary>
        public long? ChunkTokens { get; set; }

        /// <summary>The most bytes of the sessions, else OutOfMemory; 0 (the default) for no limit.</summary>
        public long? MemoryLimit { get; set; }

        /// <summary>Reads prompts with the help of this cache.</summary>
        public Cache Cache { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(IntPtr model, Func<IntPtr, T> use)
        {
            return NativeOptions.Use(() => Native.new_SchedulerOptions(model), Fill,
                Native.delete_SchedulerOptions, use);
        }

        private void Fill(IntPtr options)
        {
            NativeOptions.Set(options, Threads, Native.SchedulerOptions_threads);
            NativeOptions.Set(options, Sessions, Native.SchedulerOptions_sessions);
            NativeOptions.Set(options, Queue, Native.SchedulerOptions_queue);
            NativeOptions.Set(options, ChunkTokens, Native.SchedulerOptions_chunk_tokens);
            NativeOptions.Set(options, MemoryLimit, Native.SchedulerOptions_memory_limit);
            Cache?.Handle.Use(cache => Native.SchedulerOptions_cache(options, cache));
        }
    }
}
