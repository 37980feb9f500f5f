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

        /// <summary>This profile of the file with the settings that it was saved with: context method, global-channel
        /// threshold, layer scope, decimation rate and capacity. What is set here too goes before them. NotFound when it
        /// holds none.</summary>
        public string UseProfile { get; set; }

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

        /// <summary>Calls <paramref name="use"/> with a native copy, whose sessions call <paramref name="hook"/> for
        /// progress.</summary>
        internal T Use<T>(IntPtr model, ProgressListener hook, Func<IntPtr, T> use)
        {
            return NativeOptions.Use(() => Native.new_SessionOptions(model), options => Fill(options, hook),
                Native.delete_SessionOptions, use);
        }

        private void Fill(IntPtr options, ProgressListener hook)
        {
            // The first, because it sets what the others may set again.
            NativeOptions.Set(options, UseProfile, Native.SessionOptions_use_profile);
            NativeOptions.Set(options, (int?)Context, Native.SessionOptions_context);
            NativeOptions.Set(options, DecimationRate, Native.SessionOptions_decimation_rate);
            NativeOptions.Set(options, DecimationCapacity, Native.SessionOptions_decimation_capacity);
            NativeOptions.Set(options, DecimationMinTokens, Native.SessionOptions_decimation_min_tokens);
            NativeOptions.Set(options, ProtectedTail, Native.SessionOptions_protected_tail);
            if (Layers != null)
            {
                Session.Pin(Layers, (layers, count) => Native.SessionOptions_layers(options, layers, count));
            }
            if (AllLayers)
            {
                Native.SessionOptions_all_layers(options);
            }
            NativeOptions.Set(options, GlobalChannelThreshold, Native.SessionOptions_global_channel_threshold);
            Native.SessionOptions_filtered_channels(options, (int)FilteredChannels, ChannelSeed);
            NativeOptions.Set(options, Profile, Native.SessionOptions_profile);
            Calibration?.Use(calibration => Native.SessionOptions_calibration(options, calibration));
            NativeOptions.Set(options, ExpectedTokens, Native.SessionOptions_expected_tokens);
            NativeOptions.Set(options, Threads, Native.SessionOptions_threads);
            Workers?.Handle.Use(workers => Native.SessionOptions_workers(options, workers));
            NativeOptions.Set(options, MemoryLimit, Native.SessionOptions_memory_limit);
            NativeOptions.Set(options, ChunkTokens, Native.SessionOptions_chunk_tokens);
            Native.SessionOptions_progress(options, Upcalls.Listen(hook));
        }
    }
}
