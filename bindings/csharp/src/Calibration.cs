using System;

namespace Sipo
{
    /// <summary>What LongMamba needs to know of a model; immutable. Made by
    /// <see cref="Model.Calibrate"/>.</summary>
    public sealed class Calibration : IDisposable
    {
        internal readonly NativeHandle Handle;

        internal Calibration(IntPtr address)
        {
            Handle = new NativeHandle(nameof(Calibration), address, Native.delete_Calibration);
        }

        /// <summary>Writes it into the .sipo file at <paramref name="path"/>, which must hold a model of the same
        /// shape, under <paramref name="profile"/> (1 to 64 of a-z A-Z 0-9 . _ -), replacing one of that
        /// name.</summary>
        public void Save(string path, string profile)
        {
            Handle.Use(calibration => Utf8.Pass(path, nameof(path), file => Utf8.Pass(profile, nameof(profile), name =>
            {
                Native.Calibration_save(calibration, ref file, ref name);
                return true;
            })));
        }

        /// <summary>[layers, delta channels]: the sum over the tokens of ln of the mean decay.</summary>
        public float[] LogDecay() => Handle.Use(c => NativeArray.Floats(Native.Calibration_log_decay(c)));

        /// <summary>[layers, delta channels, lengths]: the threshold of delta.</summary>
        public float[] ThresholdTable() => Handle.Use(c => NativeArray.Floats(Native.Calibration_threshold_table(c)));

        /// <summary>The lengths of the table in tokens, ascending.</summary>
        public long[] Lengths() => Handle.Use(c => NativeArray.Longs(Native.Calibration_lengths(c)));

        /// <summary>Frees it; sessions keep what they need.</summary>
        public void Dispose()
        {
            Handle.Dispose();
        }
    }
}
