using System;
using System.Collections.Generic;
using System.Linq;

namespace Sipo
{
    /// <summary>What the channels of a model remember of a prompt, in the measures of the papers: cumulative decay and
    /// classes of channels as in LongMamba (arXiv 2504.16053), effective receptive field as in DeciMamba (arXiv
    /// 2406.14528). Made by <see cref="Model.Analyze"/>; plain data, with nothing to dispose of.</summary>
    public sealed class Analysis
    {
        /// <summary>A copy of a native one.</summary>
        internal Analysis(IntPtr measured)
        {
            Places = NativeArray.Longs(Native.Analysis_places(measured));
            DeltaEdges = NativeArray.Floats(Native.Analysis_delta_edges(measured));
            Layers = ReadLayers(measured);
            MapPlaces = NativeArray.Longs(Native.Analysis_map_places(measured));
            Maps = ReadMaps(measured, MapPlaces.Length);
            KeptTokens = NativeArray.Longs(Native.Analysis_kept_tokens(measured));
        }

        /// <summary>[points], ascending: numbers of tokens of the prompt where curves are told.</summary>
        public long[] Places { get; }

        /// <summary>[bins + 1], ascending: the borders of the histograms' bins.</summary>
        public float[] DeltaEdges { get; }

        /// <summary>Of the model, in order.</summary>
        public IReadOnlyList<LayerAnalysis> Layers { get; }

        /// <summary>[size], ascending: numbers of tokens where the stretches of a map end.</summary>
        public long[] MapPlaces { get; }

        /// <summary>Of the channels that were asked for.</summary>
        public IReadOnlyList<AttentionMap> Maps { get; }

        /// <summary>As <see cref="Session.KeptTokens"/>.</summary>
        public long[] KeptTokens { get; }

        private static LayerAnalysis[] ReadLayers(IntPtr measured)
        {
            long[] tokens = NativeArray.Longs(Native.Analysis_layer_tokens(measured));
            long[] classes = NativeArray.Longs(Native.Analysis_classes(measured));
            float[] logDecay = NativeArray.Floats(Native.Analysis_log_decay(measured));
            float[] receptiveField = NativeArray.Floats(Native.Analysis_receptive_field(measured));
            float[] deltaMean = NativeArray.Floats(Native.Analysis_delta_mean(measured));
            float[] deltaSkipped = NativeArray.Floats(Native.Analysis_delta_skipped(measured));
            float[] deltaNorm = NativeArray.Floats(Native.Analysis_delta_norm(measured));
            long[] steps = NativeArray.Longs(Native.Analysis_delta_histogram(measured));
            int count = tokens.Length;
            return Enumerable.Range(0, count).Select(i => new LayerAnalysis
            {
                Tokens = tokens[i],
                Global = Part(classes, i, count).Select(c => c != 0).ToArray(),
                LogDecay = Rows(Part(logDecay, i, count), classes.Length / count),
                ReceptiveField = Part(receptiveField, i, count),
                DeltaMean = Part(deltaMean, i, count),
                DeltaSkipped = Part(deltaSkipped, i, count),
                DeltaNorm = Part(deltaNorm, i, count),
                LocalSteps = Part(steps, 2 * i, 2 * count),
                GlobalSteps = Part(steps, 2 * i + 1, 2 * count),
            }).ToArray();
        }

        private static AttentionMap[] ReadMaps(IntPtr measured, int size)
        {
            long[] layers = NativeArray.Longs(Native.Analysis_map_layers(measured));
            long[] channels = NativeArray.Longs(Native.Analysis_map_channels(measured));
            float[] attention = NativeArray.Floats(Native.Analysis_maps(measured));
            return Enumerable.Range(0, layers.Length).Select(i => new AttentionMap(
                new MapChannel((int)layers[i], (int)channels[i]), Rows(Part(attention, i, layers.Length), size)))
                .ToArray();
        }

        /// <summary>One of so many equal parts.</summary>
        private static T[] Part<T>(T[] all, int index, int parts)
        {
            T[] part = new T[all.Length / parts];
            Array.Copy(all, index * part.Length, part, 0, part.Length);
            return part;
        }

        private static float[,] Rows(float[] all, int count)
        {
            float[,] rows = new float[count, all.Length / count];
            Buffer.BlockCopy(all, 0, rows, 0, all.Length * sizeof(float));
            return rows;
        }
    }
}
