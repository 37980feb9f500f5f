using System;
using System.Collections.Generic;
using System.Linq;

namespace Sipo
{
    /// <summary>Options of the generating methods of <see cref="Session"/> and of <see cref="Scheduler.Submit"/>; what is
    /// null has its default: greedy, stopping at the end of text.</summary>
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

        /// <summary>Go on where the session's last generation stopped, not from the seed; default false.</summary>
        public bool? Resume { get; set; }

        /// <summary>Texts that end a generation, wherever tokens begin and end: 1 to 65536 bytes of UTF-8 each, 256 of
        /// them at most. The text that stopped it is not reported.</summary>
        public IReadOnlyList<string> Stop { get; set; }

        /// <summary>Added to the logits of these tokens; minus infinity rules a token out.</summary>
        public IReadOnlyDictionary<int, float> LogitBias { get; set; }

        /// <summary>Gets the log probability of each token and of the <see cref="Likeliest"/> of its place.</summary>
        public LogProbabilitiesListener LogProbabilities { get; set; }

        /// <summary>How many tokens <see cref="LogProbabilities"/> compares: 0 (the default) to 1024.</summary>
        public int Likeliest { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(Func<IntPtr, T> use)
        {
            return Use(LogProbabilities, use);
        }

        /// <summary>The same with another listener.</summary>
        internal T Use<T>(LogProbabilitiesListener listener, Func<IntPtr, T> use)
        {
            return NativeOptions.Use(Native.new_SamplingOptions, options => Fill(options, listener),
                Native.delete_SamplingOptions, use);
        }

        private void Fill(IntPtr options, LogProbabilitiesListener listener)
        {
            NativeOptions.Set(options, Temperature, Native.SamplingOptions_temperature);
            NativeOptions.Set(options, TopK, Native.SamplingOptions_top_k);
            NativeOptions.Set(options, TopP, Native.SamplingOptions_top_p);
            NativeOptions.Set(options, MinP, Native.SamplingOptions_min_p);
            if (RepetitionPenalty != null || RepetitionWindow != null)
            {
                Native.SamplingOptions_repetition_penalty(options, RepetitionPenalty ?? 1, RepetitionWindow ?? 64);
            }
            NativeOptions.Set(options, Seed, Native.SamplingOptions_seed);
            NativeOptions.Set(options, IgnoreEndOfText, Native.SamplingOptions_ignore_end_of_text);
            NativeOptions.Set(options, Resume, Native.SamplingOptions_resume);
            foreach (string stop in Stop ?? new string[0])
            {
                Utf8.Pass(stop, nameof(Stop), text => Native.SamplingOptions_stop(options, ref text));
            }
            if (LogitBias != null)
            {
                SetLogitBias(options);
            }
            if (listener != null)
            {
                Native.SamplingOptions_log_probabilities(options, Likeliest, Upcalls.Listen(listener));
            }
        }

        private unsafe void SetLogitBias(IntPtr options)
        {
            float[] biases = LogitBias.Values.ToArray();
            Session.Pin(LogitBias.Keys.ToArray(), (ids, count) =>
            {
                fixed (float* first = biases)
                {
                    Native.SamplingOptions_logit_biases(options, ids, count, (IntPtr)first, count);
                }
            });
        }
    }
}
