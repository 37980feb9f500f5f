using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;

namespace Sipo
{
    /// <summary>The weights and the tokenizer of one .sipo file; immutable. Any number of threads and sessions may
    /// share it.</summary>
    /// <example><code>
    /// using (Model model = Model.Open("model.sipo"))
    /// using (Session session = model.NewSession(new SessionOptions { Context = Context.LongMamba }))
    /// {
    ///     session.Prefill(model.Tokenize(text));
    ///     foreach (Token token in session.Tokens(100))
    ///     {
    ///         Console.Write(token.Text);
    ///     }
    /// }
    /// </code></example>
    /// <remarks>Rules that hold everywhere. A call that fails throws <see cref="SipoException"/> with the library's
    /// status and its one line; a null argument gives ArgumentNullException, a negative size
    /// ArgumentOutOfRangeException, an object that is disposed ObjectDisposedException. Options are plain objects;
    /// their numbers are checked when they are used, and the message says the legal range. A session serves one
    /// thread at a time: a second is refused with <see cref="Status.InvalidState"/>. Only Cancel and Dispose may
    /// come at any time. Dispose frees an object, once; calls that run finish first. Callbacks run on the thread
    /// that made the call; what one throws ends the call and comes out of it.</remarks>
    public sealed class Model : IDisposable
    {
        private readonly NativeHandle handle;

        private Model(IntPtr address)
        {
            handle = new NativeHandle(nameof(Model), address, Native.delete_Model);
        }

        /// <summary>The version of the library that runs, such as "0.1.0".</summary>
        public static string LibraryVersion
        {
            get
            {
                Upcalls.EnsureRegistered();
                return NativeArray.Text(Native.version());
            }
        }

        /// <summary>Opens a .sipo file, which may be replaced or removed afterwards.</summary>
        /// <param name="path">The file.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellation">Ends the call.</param>
        /// <exception cref="SipoException">NotFound, IoError, CorruptFile, Unsupported (a newer format),
        /// BackendError, OutOfMemory (the limit), Cancelled.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public static Model Open(string path, ModelOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            options = options ?? new ModelOptions();
            ProgressListener watching = Cancellation.Watch(options.Progress, cancellation);
            return Cancellation.Run(cancellation, () => Upcalls.Call(() => Utf8.Pass(path, nameof(path), file =>
                options.Use(watching, chosen => new Model(Native.Model_open(ref file, chosen))))));
        }

        /// <summary>Converts a checkpoint of Mamba-1, Mamba-2 or FalconMamba into a .sipo file, which appears only when it
        /// is complete.</summary>
        /// <param name="path">A directory of Hugging Face's or mamba_ssm's layout, or a GGUF file.</param>
        /// <param name="output">The file to write.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellation">Ends the call.</param>
        /// <exception cref="SipoException">NotFound, IoError, CorruptFile, Unsupported (which tensor or field),
        /// Cancelled.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public static void ImportCheckpoint(string path, string output, ImportOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            Convert(path, nameof(path), output, nameof(output), options, cancellation, Native.import_checkpoint);
        }

        /// <summary>Writes a model with f32 or bf16 weights as a Hugging Face directory. Calibration profiles have no place
        /// there.</summary>
        /// <param name="path">A .sipo file.</param>
        /// <param name="directory">Is made, or must be empty.</param>
        /// <param name="options">Threads and progress have an effect here.</param>
        /// <param name="cancellation">Ends the call.</param>
        /// <exception cref="SipoException">As ImportCheckpoint; InvalidArgument when the directory holds something,
        /// Unsupported when the weights are quantised.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public static void ExportCheckpoint(string path, string directory, ImportOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            Convert(path, nameof(path), directory, nameof(directory), options, cancellation,
                Native.export_checkpoint);
        }

        /// <summary>Writes a model with f32 or bf16 weights again with <see cref="Weights.Q8"/> (the default) or Q4
        /// ones.</summary>
        /// <param name="path">A .sipo file.</param>
        /// <param name="output">The file to write, which appears only when it is complete.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellation">Ends the call.</param>
        /// <exception cref="SipoException">As ImportCheckpoint; Unsupported when they are quantised
        /// already.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public static void Quantize(string path, string output, ImportOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            Convert(path, nameof(path), output, nameof(output), options, cancellation, Native.quantize);
        }

        /// <summary>Writes a model of random weights in the shape of a public one, such as "mamba-130m", for
        /// measuring speed.</summary>
        /// <param name="preset">Its name.</param>
        /// <param name="output">The file to write, which appears only when it is complete.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellation">Ends the call.</param>
        /// <exception cref="SipoException">NotFound names the presets.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public static void WritePreset(string preset, string output, ImportOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            Convert(preset, nameof(preset), output, nameof(output), options, cancellation, Native.write_preset);
        }

        private delegate void Conversion(ref Utf8 from, ref Utf8 to, IntPtr options);

        private static void Convert(string from, string fromName, string to, string toName, ImportOptions options,
            CancellationToken cancellation, Conversion convert)
        {
            options = options ?? new ImportOptions();
            ProgressListener watching = Cancellation.Watch(options.Progress, cancellation);
            Cancellation.Run(cancellation, () => Upcalls.Call(() =>
                Utf8.Pass(from, fromName, source => Utf8.Pass(to, toName, target =>
                    options.Use(watching, chosen =>
                    {
                        convert(ref source, ref target, chosen);
                        return true;
                    })))));
        }

        /// <summary>A session at position 0.</summary>
        /// <exception cref="SipoException">OutOfRange for an option outside its range, NotFound when LongMamba has
        /// neither its profile nor a calibration, BackendError.</exception>
        public Session NewSession(SessionOptions options = null)
        {
            return handle.Use(model =>
                new Session(model, (int)Native.Model_vocab_size(model), options ?? new SessionOptions()));
        }

        /// <summary>Threads and working memory that sessions share: 1 to 256 threads; 0 takes as many as the process
        /// may use.</summary>
        public Workers NewWorkers(int threads = 0)
        {
            return handle.Use(model => new Workers(Native.new_Workers(model, threads)));
        }

        /// <summary>A cache of prefixes of prompts.</summary>
        /// <exception cref="SipoException">IoError when its directory cannot be made.</exception>
        public Cache NewCache(CacheOptions options = null)
        {
            return handle.Use(model =>
                (options ?? new CacheOptions()).Use(chosen => new Cache(Native.new_Cache(model, chosen))));
        }

        /// <summary>A scheduler of many generations.</summary>
        /// <exception cref="SipoException">OutOfMemory when it would exceed its limit.</exception>
        public Scheduler NewScheduler(SchedulerOptions options = null)
        {
            IntPtr address = handle.Acquire();
            bool made = false;
            try
            {
                return handle.Use(model => (options ?? new SchedulerOptions()).Use(model, chosen =>
                {
                    Scheduler scheduler = new Scheduler(handle, address, Native.new_Scheduler(chosen));
                    made = true;
                    return scheduler;
                }));
            }
            finally
            {
                if (!made)
                {
                    handle.DangerousRelease();
                }
            }
        }

        /// <summary>The most bytes that a session of these options takes for prompts of up to
        /// <paramref name="promptTokens"/>, 1 to 2^40.</summary>
        public long SessionMemory(SessionOptions options, long promptTokens)
        {
            Session.RequireNotNull(options, nameof(options));
            return Use(options, chosen => Native.SessionOptions_session_memory(chosen, promptTokens));
        }

        /// <summary>Calls <paramref name="use"/> with a native copy of options for sessions of this model.</summary>
        internal T Use<T>(SessionOptions options, Func<IntPtr, T> use)
        {
            return handle.Use(model => options.Use(model, null, use));
        }

        /// <summary>The most bytes that the weights of a .sipo file take on the CPU, from its header.</summary>
        public static long Memory(string path)
        {
            Upcalls.EnsureRegistered();
            return Utf8.Pass(path, nameof(path), file =>
            {
                // Mono's compiler fails on a reference to a parameter of a lambda that captures nothing.
                Utf8 text = file;
                return Native.model_memory(ref text);
            });
        }

        /// <summary>The hash that a session has which has read these tokens.</summary>
        public static long TokenHash(params int[] ids)
        {
            Session.RequireNotNull(ids, nameof(ids));
            Upcalls.EnsureRegistered();
            return Session.Pin(ids, Native.token_hash);
        }

        /// <summary>Measures what LongMamba needs to know.</summary>
        /// <param name="ids">[sequences, length] tokens of ordinary text, 1 to 65536 sequences (ten are enough);
        /// what is left over is not used.</param>
        /// <param name="length">Tokens a sequence, usually the training length: 2 to 1048576.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellation">Ends the call.</param>
        /// <exception cref="SipoException">OutOfRange, Cancelled.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public Calibration Calibrate(int[] ids, int length, CalibrationOptions options = null,
            CancellationToken cancellation = default(CancellationToken))
        {
            Session.RequireNotNull(ids, nameof(ids));
            UIntPtr tokens = NativeHandle.Size(length, nameof(length));
            options = options ?? new CalibrationOptions();
            ProgressListener watching = Cancellation.Watch(options.Progress, cancellation);
            return Cancellation.Run(cancellation, () => handle.Use(model => options.Use(watching, chosen =>
                Session.Pin(ids, (data, count) => new Calibration(
                    this, Native.Calibration_measure_sequences(model, data, count, tokens, chosen))))));
        }

        /// <summary>Reads a prompt as a new session of those options would, and measures what the channels remember of
        /// it.</summary>
        /// <param name="ids">2 tokens or more.</param>
        /// <param name="session">Null for the defaults.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellation">Ends the call.</param>
        /// <exception cref="SipoException">OutOfRange (which token), OutOfMemory (the limit), Cancelled.</exception>
        /// <exception cref="OperationCanceledException">By <paramref name="cancellation"/>.</exception>
        public unsafe Analysis Analyze(ReadOnlySpan<int> ids, SessionOptions session = null,
            AnalysisOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            session = session ?? new SessionOptions();
            options = options ?? new AnalysisOptions();
            ProgressListener watching = Cancellation.Watch(options.Progress, cancellation);
            fixed (int* first = &MemoryMarshal.GetReference(ids))
            {
                IntPtr data = (IntPtr)first;
                UIntPtr count = (UIntPtr)(uint)ids.Length;
                return Cancellation.Run(cancellation, () => Use(session, reading => options.Use(watching, measuring =>
                    Copy(Native.Analysis_measure(reading, data, count, measuring)))));
            }
        }

        private static Analysis Copy(IntPtr measured)
        {
            try
            {
                return new Analysis(measured);
            }
            finally
            {
                Native.delete_Analysis(measured);
            }
        }

        /// <summary>The most bytes that <see cref="Analyze"/> takes for so many tokens, 2 to 2^40.</summary>
        public long AnalysisMemory(long tokens, SessionOptions session = null, AnalysisOptions options = null)
        {
            return Use(session ?? new SessionOptions(), reading => (options ?? new AnalysisOptions()).Use(null,
                measuring => Native.Analysis_memory(reading, tokens, measuring)));
        }

        /// <summary>Text, which may hold NUL, to token ids. Special tokens in the text are recognised; nothing is
        /// added.</summary>
        public int[] Tokenize(string text)
        {
            return handle.Use(model => Utf8.Pass(text, nameof(text), bytes =>
                NativeArray.Ints(Native.Model_tokenize(model, ref bytes))));
        }

        /// <summary>Token ids to text, special tokens included.</summary>
        /// <exception cref="SipoException">OutOfRange for an id outside 0 to <see cref="VocabSize"/> -
        /// 1.</exception>
        public string Detokenize(params int[] ids)
        {
            Session.RequireNotNull(ids, nameof(ids));
            return Detokenize(ids.AsSpan());
        }

        /// <summary>The same for a span.</summary>
        public unsafe string Detokenize(ReadOnlySpan<int> ids)
        {
            fixed (int* first = &MemoryMarshal.GetReference(ids))
            {
                IntPtr data = (IntPtr)first;
                UIntPtr count = (UIntPtr)(uint)ids.Length;
                return handle.Use(model => NativeArray.Text(Native.Model_detokenize(model, data, count)));
            }
        }

        /// <summary>Blocks.</summary>
        public int Layers => (int)handle.Use(Native.Model_layers);

        /// <summary>Width of the residual stream.</summary>
        public int DModel => (int)handle.Use(Native.Model_d_model);

        /// <summary>Channels inside a block.</summary>
        public int DInner => (int)handle.Use(Native.Model_d_inner);

        /// <summary>States a channel.</summary>
        public int DState => (int)handle.Use(Native.Model_d_state);

        /// <summary>Length of the logits; may exceed the tokenizer's.</summary>
        public int VocabSize => (int)handle.Use(Native.Model_vocab_size);

        /// <summary>Per layer: d_inner in Mamba-1, heads in Mamba-2.</summary>
        public int DeltaChannels => (int)handle.Use(Native.Model_delta_channels);

        /// <summary>In tokens.</summary>
        public int TrainingLength => (int)handle.Use(Native.Model_training_length);

        /// <summary>Token id.</summary>
        public int EndOfText => handle.Use(Native.Model_end_of_text);

        /// <summary>Numbers in the weights.</summary>
        public long Parameters => handle.Use(Native.Model_parameters);

        /// <summary>Held in memory by the model.</summary>
        public long WeightBytes => handle.Use(Native.Model_weight_bytes);

        /// <summary>Recurrent state of one session.</summary>
        public long StateBytes => handle.Use(Native.Model_state_bytes);

        /// <summary>"mamba1", "mamba2" or "falcon_mamba".</summary>
        public string Family => handle.Use(m => NativeArray.Text(Native.Model_family(m)));

        /// <summary>"f32", "bf16", "q8" or "q4".</summary>
        public string WeightsType => handle.Use(m => NativeArray.Text(Native.Model_weights_type(m)));

        /// <summary>Where it runs, such as "cpu (avx512)".</summary>
        public string Backend => handle.Use(m => NativeArray.Text(Native.Model_backend(m)));

        /// <summary>The checkpoint that it was imported from.</summary>
        public string Source => handle.Use(m => NativeArray.Text(Native.Model_source(m)));

        /// <summary>Names of the calibration profiles in the file.</summary>
        public IReadOnlyList<string> Profiles => handle.Use(m => NativeArray.Text(Native.Model_profile_lines(m)))
            .Split(new[] { '\n' }, StringSplitOptions.RemoveEmptyEntries);

        /// <summary>Frees the model, now or when its last call has returned. Its sessions keep what they
        /// need.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
