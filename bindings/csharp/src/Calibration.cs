using System;

namespace Sipo
{
    /// <summary>What LongMamba needs to know of a model; immutable. Made by
    /// <see cref="Model.Calibrate"/>.</summary>
    public sealed class Calibration : IDisposable
    {
        private readonly Model model;
        private readonly NativeHandle handle;

        internal Calibration(Model model, IntPtr address)
        {
            this.model = model;
            handle = new NativeHandle(nameof(Calibration), address, Native.delete_Calibration);
        }

        /// <summary>One call at a time: for the native library, saving with settings is a change.</summary>
        internal T Use<T>(Func<IntPtr, T> call)
        {
            lock (handle)
            {
                return handle.Use(call);
            }
        }

        /// <summary>Writes it into the .sipo file at <paramref name="path"/>, replacing a profile of that name.</summary>
        /// <param name="path">A file that holds a model of the same shape.</param>
        /// <param name="profile">1 to 64 of a-z A-Z 0-9 . _ -</param>
        /// <param name="settings">How it is best used: context method, global-channel threshold, layer scope, decimation
        /// rate and capacity of these options become part of the profile, and <see cref="SessionOptions.UseProfile"/>
        /// takes them up. Null for none.</param>
        /// <exception cref="ObjectDisposedException">Also with settings, when the model that was calibrated is
        /// disposed.</exception>
        public void Save(string path, string profile, SessionOptions settings = null)
        {
            if (settings == null)
            {
                Save(path, profile, IntPtr.Zero);
            }
            else
            {
                model.Use(settings, chosen => Save(path, profile, chosen));
            }
        }

        private bool Save(string path, string profile, IntPtr settings)
        {
            return Utf8.Pass(path, nameof(path), file => Utf8.Pass(profile, nameof(profile), name =>
                Use(calibration =>
                {
                    Native.Calibration_save_with(calibration, ref file, ref name, settings);
                    return true;
                })));
        }

        /// <summary>[layers, delta channels]: the sum over the tokens of ln of the mean decay.</summary>
        public float[] LogDecay() => Use(c => NativeArray.Floats(Native.Calibration_log_decay(c)));

        /// <summary>[layers, delta channels, lengths]: the threshold of delta.</summary>
        public float[] ThresholdTable() => Use(c => NativeArray.Floats(Native.Calibration_threshold_table(c)));

        /// <summary>The lengths of the table in tokens, ascending.</summary>
        public long[] Lengths() => Use(c => NativeArray.Longs(Native.Calibration_lengths(c)));

        /// <summary>Frees it; sessions keep what they need.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
