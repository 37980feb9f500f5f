using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>What channels remember.</summary>
    [TestFixture]
    public class AnalysisTest
    {
        private static readonly Model model = Story.Model;
        private static readonly int[] text = model.Tokenize(Story.Text.Substring(0, 8000)).Take(500).ToArray();

        /// <summary>By the name of an array the sum that analysis.c prints of its values.</summary>
        private sealed class Sums
        {
            private readonly List<string> names = new List<string>();
            private readonly Dictionary<string, ulong> sums = new Dictionary<string, ulong>();

            public void Add(string name, params long[] values)
            {
                if (!sums.ContainsKey(name))
                {
                    names.Add(name);
                    sums[name] = 0xcbf29ce484222325;
                }
                foreach (long value in values)
                {
                    sums[name] = unchecked((sums[name] ^ (ulong)value) * 0x100000001b3);
                }
            }

            public void Add(string name, IEnumerable<float> values)
            {
                Add(name, values.Select(v => (long)BitConverter.ToUInt32(BitConverter.GetBytes(v), 0)).ToArray());
            }

            public override string ToString()
            {
                return string.Concat(names.Select(name => string.Format("{0} {1:x16}\n", name, sums[name])));
            }
        }

        private static Sums SumsOf(Analysis analysis)
        {
            Sums sums = new Sums();
            sums.Add("places", analysis.Places);
            sums.Add("delta_edges", analysis.DeltaEdges);
            foreach (LayerAnalysis layer in analysis.Layers)
            {
                sums.Add("layer_tokens", layer.Tokens);
                sums.Add("classes", layer.Global.Select(g => g ? 1L : 0L).ToArray());
                sums.Add("log_decay", layer.LogDecay.Cast<float>());
                sums.Add("receptive_field", layer.ReceptiveField);
                sums.Add("delta_mean", layer.DeltaMean);
                sums.Add("delta_skipped", layer.DeltaSkipped);
                sums.Add("delta_norm", layer.DeltaNorm);
                sums.Add("delta_histogram", layer.LocalSteps);
                sums.Add("delta_histogram", layer.GlobalSteps);
            }
            sums.Add("map_places", analysis.MapPlaces);
            foreach (AttentionMap map in analysis.Maps)
            {
                sums.Add("map_layers", map.Channel.Layer);
                sums.Add("map_channels", map.Channel.Channel);
                sums.Add("maps", map.Attention.Cast<float>());
            }
            sums.Add("kept_tokens", analysis.KeptTokens);
            return sums;
        }

        [Test]
        public void GivesTheNumbersOfC()
        {
            Analysis analysis = model.Analyze(text,
                new SessionOptions { Context = Context.DeciMamba, DecimationCapacity = 100 },
                new AnalysisOptions
                {
                    Points = 10,
                    MapSize = 6,
                    MapChannels = new[] { new MapChannel(1, 3), new MapChannel(7, 511) },
                });
            Assert.AreEqual(Story.ExpectedAnalysis, SumsOf(analysis).ToString());
            Assert.AreEqual(8, analysis.Layers.Count);
            Assert.AreEqual(512, analysis.Layers[7].LogDecay.GetLength(0));
            Assert.AreEqual(10, analysis.Layers[7].LogDecay.GetLength(1));
            Assert.AreEqual(6, analysis.Maps[1].Attention.GetLength(1));
            Assert.Less(analysis.KeptTokens.Length, text.Length);
        }

        [Test]
        public void TakesDefaultsAndNoMaps()
        {
            int[] few = text.Take(20).ToArray();
            Analysis analysis = model.Analyze(few);
            Assert.AreEqual(8, analysis.Maps.Count);
            Assert.AreEqual(20, analysis.MapPlaces.Length);
            Assert.AreEqual(analysis.Places, analysis.MapPlaces);
            Assert.AreEqual(0, model.Analyze(few, null, new AnalysisOptions { MapSize = 0 }).Maps.Count);
        }

        [Test]
        public void ReportsAndCancels()
        {
            long last = 0;
            model.Analyze(text, null,
                new AnalysisOptions { MapSize = 0, Progress = (done, total) => (last = done) <= total });
            Assert.AreEqual(8L * text.Length, last);
            Story.Fails(Status.Cancelled,
                () => model.Analyze(text, null, new AnalysisOptions { Progress = (done, total) => false }));
            OwnException own = new OwnException();
            AnalysisOptions throwing = new AnalysisOptions { Progress = (done, total) => throw own };
            Assert.AreSame(own, Assert.Throws<OwnException>(() => model.Analyze(text, null, throwing)));
            using (CancellationTokenSource source = new CancellationTokenSource())
            {
                AnalysisOptions cancelling = new AnalysisOptions
                {
                    Progress = (done, total) =>
                    {
                        source.Cancel();
                        return true;
                    },
                };
                Assert.Throws<OperationCanceledException>(() => model.Analyze(text, null, cancelling, source.Token));
                Assert.Throws<OperationCanceledException>(() => model.Analyze(text, null, null, source.Token));
                Assert.Throws<OperationCanceledException>(() => model.Calibrate(text, 64, null, source.Token));
            }
        }

        [Test]
        public void TellsMemoryAndKeepsLimits()
        {
            AnalysisOptions options = new AnalysisOptions { MapSize = 0 };
            long needed = model.AnalysisMemory(text.Length, null, options);
            Assert.Greater(needed, text.Length * 256 * 4);
            Assert.Greater(model.AnalysisMemory(2 * text.Length, null, options), needed);
            options.MemoryLimit = needed;
            model.Analyze(text, null, options);
            options.MemoryLimit = needed - 1;
            Story.Fails(Status.OutOfMemory, () => model.Analyze(text, null, options));
            Story.Fails(Status.OutOfRange, () => model.AnalysisMemory(1));
        }

        [Test]
        public void Refuses()
        {
            foreach (AnalysisOptions options in new[]
            {
                new AnalysisOptions { Points = 0 },
                new AnalysisOptions { MapSize = 257 },
                new AnalysisOptions { MemoryLimit = -1 },
                new AnalysisOptions { MapChannels = new[] { new MapChannel(8, 0) } },
                new AnalysisOptions { MapChannels = new[] { new MapChannel(0, -1) } },
            })
            {
                Story.Fails(Status.OutOfRange, () => model.Analyze(text, null, options));
            }
            Story.Fails(Status.OutOfRange, () => model.Analyze(new[] { 1 }));
            Story.Fails(Status.OutOfRange, () => model.Analyze(new[] { 1, 4096 }));
            Story.Fails(Status.OutOfRange, () => model.Analyze(text, new SessionOptions { DecimationRate = 2 }));
            SipoException none = Assert.Throws<SipoException>(() => model.Analyze(null));
            Assert.IsTrue(none.Status == Status.OutOfRange || none.Status == Status.InvalidArgument);
            Model other = Model.Open(Story.ModelPath);
            other.Dispose();
            Assert.Throws<ObjectDisposedException>(() => other.Analyze(text));
        }

        [Test]
        public void KeepsMemoryFlat()
        {
            int[] two = { 1, 2 };
            int[] wrong = { 1, -1 };
            AnalysisOptions quick = new AnalysisOptions { MapSize = 0 };
            Story.StaysFlat("200 analyses and as many refused", 200, () =>
            {
                model.Analyze(two, null, quick);
                Story.Fails(Status.OutOfRange, () => model.Analyze(wrong));
            });
        }
    }
}
