using System;

namespace Sipo
{
    /// <summary>Options of the generating methods of <see cref="Session"/>; what is null has its default: greedy,
    /// stopping at the end of text.</summary>
    public sealed class SamplingOptions
    {
        /// <summary>0 (greedy, the default) to 100.</summary>
        public double? Temperature { get; set; }

        /// <summary>Sample among the k most likely tokens: 0 (all, the default) to 2^24.</summary>
        public int? TopK { get; set; }

        /// <summary>Sample among the likeliest tokens that together reach this probability: (0, 1], default 1.</summary>
        public double? TopP { get; set; }

        /// <summary>Drop tokens less likely than this times the likeliest: [0, 1], default 0.</summary>
        public double? MinP { get; set; }

        /// <summary>Makes the tokens of the last <see cref="RepetitionWindow"/> generated less likely: (0, 100],
        /// default 1, which is off.</summary>
        public double? RepetitionPenalty { get; set; }

        /// <summary>Tokens that the penalty looks back: 0 to 2^24, default 64.</summary>
        public long? RepetitionWindow { get; set; }

        /// <summary>Any number, default 0; the same seed gives the same tokens.</summary>
        public long? Seed { get; set; }

        /// <summary>Go on past the end of text; default false.</summary>
        public bool? IgnoreEndOfText { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(Func<IntPtr, T> use)
        {
            Upcalls.EnsureRegistered();
            IntPtr options = Native.new_SamplingOptions();
            try
            {
                if (Temperature != null)
                {
                    Native.SamplingOptions_temperature(options, Temperature.Value);
                }
                if (TopK != null)
                {
                    Native.SamplingOptions_top_k(options, TopK.Value);
                }
                if (TopP != null)
                {
                    Native.SamplingOptions_top_p(options, TopP.Value);
                }
                if (MinP != null)
                {
                    Native.SamplingOptions_min_p(options, MinP.Value);
                }
                if (RepetitionPenalty != null || RepetitionWindow != null)
                {
                    Native.SamplingOptions_repetition_penalty(options, RepetitionPenalty ?? 1, RepetitionWindow ?? 64);
                }
                if (Seed != null)
                {
                    Native.SamplingOptions_seed(options, Seed.Value);
                }
                if (IgnoreEndOfText != null)
                {
                    Native.SamplingOptions_ignore_end_of_text(options, IgnoreEndOfText.Value);
                }
                return use(options);
            }
            finally
            {
                Native.delete_SamplingOptions(options);
            }
        }
    }
}
