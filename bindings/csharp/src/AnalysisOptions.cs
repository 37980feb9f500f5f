using System;
using System.Collections.Generic;
using System.Linq;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.Analyze"/>; what is null has its default.</summary>
    public sealed class AnalysisOptions
    {
        /// <summary>Places of the prompt that curves are told for, evenly spread: 1 to 4096, and at most one a token;
        /// default 64.</summary>
        public long? Points { get; set; }

        /// <summary>Rows and columns of an attention map: 0 (no maps) to 256, and at most one a token; default
        /// 64.</summary>
        public long? MapSize { get; set; }

        /// <summary>The channels whose attention is mapped, 4096 at most; by default of each layer the median global one,
        /// or the most lasting where none is global.</summary>
        public IReadOnlyList<MapChannel> MapChannels { get; set; }

        /// <summary>The most bytes that <see cref="Model.AnalysisMemory"/> may tell, else OutOfMemory; 0 for no limit;
        /// default 4 GiB.</summary>
        public long? MemoryLimit { get; set; }

        /// <summary>Progress in tokens times layers.</summary>
        public ProgressListener Progress { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy, which calls <paramref name="hook"/> for
        /// progress.</summary>
        internal T Use<T>(ProgressListener hook, Func<IntPtr, T> use)
        {
            return NativeOptions.Use(Native.new_AnalysisOptions, options => Fill(options, hook),
                Native.delete_AnalysisOptions, use);
        }

        private void Fill(IntPtr options, ProgressListener hook)
        {
            NativeOptions.Set(options, Points, Native.AnalysisOptions_points);
            NativeOptions.Set(options, MapSize, Native.AnalysisOptions_map_size);
            if (MapChannels != null)
            {
                int[] pairs = MapChannels.SelectMany(c => new[] { c.Layer, c.Channel }).ToArray();
                Session.Pin(pairs, (ids, count) => Native.AnalysisOptions_map_pairs(options, ids, count));
            }
            NativeOptions.Set(options, MemoryLimit, Native.AnalysisOptions_memory_limit);
            Native.AnalysisOptions_progress(options, Upcalls.Listen(hook));
        }
    }
}
