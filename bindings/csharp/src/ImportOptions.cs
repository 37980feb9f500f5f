using System;

namespace Sipo
{
    /// <summary>Options of <see cref="Model.ImportCheckpoint"/>, <see cref="Model.Quantize"/> and
    /// <see cref="Model.WritePreset"/>; what is null has its default.</summary>
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

        /// <summary>Progress in bytes of weights.</summary>
        public ProgressListener Progress { get; set; }

        /// <summary>Calls <paramref name="use"/> with a native copy.</summary>
        internal T Use<T>(Func<IntPtr, T> use)
        {
            Upcalls.EnsureRegistered();
            IntPtr options = Native.new_ImportOptions();
            try
            {
                if (Weights != null)
                {
                    Native.ImportOptions_weights(options, (int)Weights.Value);
                }
                if (Store != null)
                {
                    Native.ImportOptions_store(options, (int)Store.Value);
                }
                if (Threads != null)
                {
                    Native.ImportOptions_threads(options, Threads.Value);
                }
                if (TrainingLength != null)
                {
                    Native.ImportOptions_training_length(options, TrainingLength.Value);
                }
                Native.ImportOptions_progress(options, Upcalls.Listen(Progress));
                return use(options);
            }
            finally
            {
                Native.delete_ImportOptions(options);
            }
        }
    }
}
