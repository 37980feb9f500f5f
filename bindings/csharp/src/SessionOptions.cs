using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.NewSession"/>; what is null has its default.</summary>
    public sealed class SessionOptions
    {
        /// <summary>The method that extends the context; default None.</summary>
        public Context? Context { get; set; }

        /// <summary>DeciMamba: layer number s of the scope keeps capacity * rate^s tokens. (0, 1], default 0.5.</summary>
        public double? DecimationRate { get; set; }

        /// <summary>DeciMamba: tokens that the first layer of the scope keeps, 1 to 2^40; default the training
        /// length.</summary>
        public long? DecimationCapacity { get; set; }

        /// <summary>DeciMamba: never keep fewer tokens than this, 1 to 2^40; default 20.</summary>
        public long? DecimationMinTokens { get; set; }

        /// <summary>DeciMamba: tokens at the end of the prompt that are always kept, 1 to 2^40; default 1.</summary>
        public long? ProtectedTail { get; set; }

        /// <summary>Layer scope of the method: different layers, each 0 to <see cref="Model.Layers"/> - 1; default the
        /// middle one for DeciMamba, all for LongMamba.</summary>
        public int[] Layers { get; set; }

        /// <summary>Layer scope: every layer, whatever <see cref="Layers"/> says.</summary>
        public bool AllLayers { get; set; }

        /// <summary>LongMamba: a channel is global when its cumulative decay at the training length exceeds this.
        /// (0, 1), default 1e-2.</summary>
        public double? GlobalChannelThreshold { get; set; }

        /// <summary>LongMamba: which channels are filtered.</summary>
        public Channels FilteredChannels { get; set; }

        /// <summary>LongMamba: chooses the random channels.</summary>
        public long ChannelSeed { get; set; }

        /// <summary>LongMamba: calibration profile of the file; default "default".</summary>
        public string Profile { get; set; }

        /// <summary>LongMamba: this calibration instead of a profile of the file.</summary>
        public Calibration Calibration { get; set; }

        /// <summary>LongMamba: the total length S whatever the prompt's, 0 (what was seen, the default) to 2^40.</summary>
        public long? ExpectedTokens { get; set; }

        /// <summary>Threads of the computation, the caller's included: 1 to 256; 0 (the default) takes as many as the
        /// process may use. The results do not depend on it.</summary>
        public int? Threads { get; set; }

        /// <summary>Threads and working memory that are shared, instead of threads of the session's own.</summary>
        public Workers Workers { get; set; }

        /// <summary>The most bytes that a session may take, as <see cref="Model.SessionMemory"/> counts, else OutOfMemory
        /// before anything is allocated; 0 (the default) for no limit.</summary>
        public long? MemoryLimit { get; set; }

        /// <summary>Tokens of the prompt that go through the model together, 1 to 65536; default 1024. The results do
        /// not depend on it.</summary>
        public long? ChunkTokens { get; set; }

        /// <summary>Progress of prefill and score in tokens of the prompt.</summary>
        public ProgressListener Progress { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(IntPtr model, ProgressListener hook, Func<IntPtr, T> use)
        {
            IntPtr options = Native.new_SessionOptions(model);
            try
            {
                if (Context != null)
                {
                    Native.SessionOptions_context(options, (int)Context.Value);
                }
                if (DecimationRate != null)
                {
                    Native.SessionOptions_decimation_rate(options, DecimationRate.Value);
                }
                if (DecimationCapacity != null)
                {
                    Native.SessionOptions_decimation_capacity(options, DecimationCapacity.Value);
                }
                if (DecimationMinTokens != null)
                {
                    Native.SessionOptions_decimation_min_tokens(options, DecimationMinTokens.Value);
                }
                if (ProtectedTail != null)
                {
                    Native.SessionOptions_protected_tail(options, ProtectedTail.Value);
                }
                if (Layers != null)
                {
                    Session.Pin(Layers, (layers, count) => Native.SessionOptions_layers(options, layers, count));
                }
                if (AllLayers)
                {
                    Native.SessionOptions_all_layers(options);
                }
                if (GlobalChannelThreshold != null)
                {
                    Native.SessionOptions_global_channel_threshold(options, GlobalChannelThreshold.Value);
                }
                Native.SessionOptions_filtered_channels(options, (int)FilteredChannels, ChannelSeed);
                if (Profile != null)
                {
                    Utf8.Pass(Profile, nameof(Profile), text => Native.SessionOptions_profile(options, ref text));
                }
                Calibration?.Handle.Use(calibration => { Native.SessionOptions_calibration(options, calibration); });
                if (ExpectedTokens != null)
                {
                    Native.SessionOptions_expected_tokens(options, ExpectedTokens.Value);
                }
                if (Threads != null)
                {
                    Native.SessionOptions_threads(options, Threads.Value);
                }
                Workers?.Handle.Use(workers => { Native.SessionOptions_workers(options, workers); });
                if (MemoryLimit != null)
                {
                    Native.SessionOptions_memory_limit(options, MemoryLimit.Value);
                }
                if (ChunkTokens != null)
                {
                    Native.SessionOptions_chunk_tokens(options, ChunkTokens.Value);
                }
                Native.SessionOptions_progress(options, Upcalls.Listen(hook));
                return use(options);
            }
            finally
            {
                Native.delete_SessionOptions(options);
            }
        }
    }
}
