using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Files, facts, text and calibration.</summary>
    [TestFixture]
    public class ModelTest
    {
        [Test]
        public void TellsWhatItIs()
        {
            using (Model model = Model.Open(Story.ModelPath))
            {
                Assert.AreEqual("mamba1", model.Family);
                Assert.AreEqual("bf16", model.WeightsType);
                Assert.AreEqual("passkey-mamba1", model.Source);
                Assert.IsTrue(model.Backend.StartsWith("cpu"));
                Assert.AreEqual(8, model.Layers);
                Assert.AreEqual(256, model.DModel);
                Assert.AreEqual(512, model.DInner);
                Assert.AreEqual(16, model.DState);
                Assert.AreEqual(4096, model.VocabSize);
                Assert.AreEqual(512, model.DeltaChannels);
                Assert.AreEqual(2048, model.TrainingLength);
                Assert.AreEqual(0, model.EndOfText);
                Assert.AreEqual(4552960, model.Parameters);
                Assert.IsTrue(model.WeightBytes > model.Parameters);
                Assert.IsTrue(model.StateBytes > 0);
                Assert.AreEqual("default", string.Join(",", model.Profiles));
                Assert.AreEqual("0.1.0", Model.LibraryVersion);
            }
        }

        [Test]
        public void TakesTextWithEverything()
        {
            foreach (string text in new[] { "", "a\0b", "caf\u00e9 \ud83d\ude00 \u4e2d\ud83d\udc0d", "\0" })
            {
                Assert.AreEqual(text, Story.Model.Detokenize(Story.Model.Tokenize(text)));
            }
            Assert.AreEqual("", Story.Model.Detokenize());
            Story.Fails(Status.OutOfRange, () => Story.Model.Detokenize(-1));
            Story.Fails(Status.OutOfRange, () => Story.Model.Detokenize(4096));
        }

        [Test]
        public void ImportsAndQuantizes()
        {
            string imported = Story.Output("csharp.sipo");
            string quantized = Story.Output("csharp-q8.sipo");
            int calls = 0;
            Model.ImportCheckpoint(Story.Checkpoint, imported, new ImportOptions
            {
                Weights = Weights.F32,
                Store = Store.Raw,
                Threads = 2,
                TrainingLength = 1024,
                Progress = (done, total) => ++calls > 0 && done <= total,
            });
            Assert.IsTrue(calls > 0);
            using (Model model = Model.Open(imported))
            {
                Assert.AreEqual("f32", model.WeightsType);
                Assert.AreEqual(1024, model.TrainingLength);
            }
            Model.Quantize(imported, quantized, new ImportOptions { Weights = Weights.Q8 });
            using (Model model = Model.Open(quantized))
            {
                Assert.AreEqual("q8", model.WeightsType);
            }
            File.Delete(imported);
            Story.Fails(Status.Cancelled, () => Model.ImportCheckpoint(Story.Checkpoint, imported,
                new ImportOptions { Progress = (done, total) => false }));
            Assert.IsFalse(File.Exists(imported));
            Story.Fails(Status.Unsupported, () => Model.Quantize(quantized, imported));
            Story.Fails(Status.NotFound, () => Model.WritePreset("no-such-preset", imported));
        }

        [Test]
        public void Calibrates()
        {
            string file = Story.Output("csharp-calibrated.sipo");
            File.Copy(Story.ModelPath, file, true);
            List<long> seen = new List<long>();
            using (Model model = Model.Open(file))
            {
                int[] ids = model.Tokenize(Story.Text).Take(2 * 256 + 5).ToArray();
                CalibrationOptions options = new CalibrationOptions { Clamp = 0.05, Threads = 1 };
                options.Progress = (done, total) =>
                {
                    seen.Add(done);
                    return true;
                };
                using (Calibration calibration = model.Calibrate(ids, 256, options))
                {
                    Assert.AreEqual(8 * 512, calibration.LogDecay().Length);
                    Assert.AreEqual(25, calibration.Lengths().Length);
                    Assert.AreEqual(8 * 512 * 25, calibration.ThresholdTable().Length);
                    Assert.IsTrue(calibration.LogDecay()[0] < 0);
                    Assert.IsTrue(calibration.Lengths().SequenceEqual(calibration.Lengths().OrderBy(l => l)));
                    calibration.Save(file, "story");
                    Story.Fails(Status.InvalidArgument, () => calibration.Save(file, "a b"));
                    Story.Started(model, new SessionOptions
                    {
                        Context = Context.LongMamba,
                        Calibration = calibration,
                    }).Dispose();
                }
                Assert.AreEqual(16, seen.Max());
                Story.Fails(Status.OutOfRange, () => model.Calibrate(ids, 1));
            }
            using (Model model = Model.Open(file))
            {
                Assert.AreEqual("default,story", string.Join(",", model.Profiles.OrderBy(p => p)));
                Story.Started(model, new SessionOptions { Context = Context.LongMamba, Profile = "story" }).Dispose();
            }
        }
    }
}
