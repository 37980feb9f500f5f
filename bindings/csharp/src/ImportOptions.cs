using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.ImportCheckpoint"/>, <see cref="Model.ExportCheckpoint"/>,
    /// <see cref="Model.Quantize"/> and <see cref="Model.WritePreset"/>; what is null has its default.</summary>
    public sealed class ImportOptions
    {
        /// <summary>How matrices are stored and multiplied; default Automatic.</summary>
        public Weights? Weights { get; set; }

        /// <summary>How tensors lie in the file; default Zstd.</summary>
        public Store? Store { get; set; }

        /// <summary>Threads: 1 to 256; 0 (the default) takes as many as the process may use.</summary>
        public int? Threads { get; set; }

        /// <summary>Length in tokens that the model was trained with, where config.json does not say it: 1 to 2^31-1.</summary>
        public long? TrainingLength { get; set; }

        /// <summary>Path of a tokenizer.json to take instead of the checkpoint's.</summary>
        public string Tokenizer { get; set; }

        /// <summary>Progress in bytes of weights.</summary>
        public ProgressListener Progress { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy, which calls <paramref name="hook"/> for
        /// progress.</summary>
        internal T Use<T>(ProgressListener hook, Func<IntPtr, T> use)
        {
            return NativeOptions.Use(Native.new_ImportOptions, options => Fill(options, hook),
                Native.delete_ImportOptions, use);
        }

        private void Fill(IntPtr options, ProgressListener hook)
        {
            NativeOptions.Set(options, (int?)Weights, Native.ImportOptions_weights);
            NativeOptions.Set(options, (int?)Store, Native.ImportOptions_store);
            NativeOptions.Set(options, Threads, Native.ImportOptions_threads);
            NativeOptions.Set(options, TrainingLength, Native.ImportOptions_training_length);
            NativeOptions.Set(options, Tokenizer, Native.ImportOptions_tokenizer);
            Native.ImportOptions_progress(options, Upcalls.Listen(hook));
        }
    }
}
