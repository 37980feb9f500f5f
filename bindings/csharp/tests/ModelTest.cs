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

        /// <summary>What an imported model exports is imported again, with another tokenizer if that is
        /// wanted.</summary>
        [Test]
        public void Exports()
        {
            string directory = Story.Output("csharp-exported");
            string again = Story.Output("csharp-again.sipo");
            string tokenizer = Path.Combine(directory, "tokenizer.json");
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory, true);
            }
            Model.ExportCheckpoint(Story.ModelPath, directory, new ImportOptions { Threads = 1 });
            Story.Fails(Status.InvalidArgument, () => Model.ExportCheckpoint(Story.ModelPath, directory));
            Model.ImportCheckpoint(directory, again, new ImportOptions { Tokenizer = tokenizer });
            using (Model model = Model.Open(again))
            {
                Assert.AreEqual(Story.Model.Parameters, model.Parameters);
                Assert.AreEqual(Story.Model.Tokenize(Story.Text), model.Tokenize(Story.Text));
            }
            Story.Fails(Status.NotFound,
                () => Model.ImportCheckpoint(directory, again, new ImportOptions { Tokenizer = "no-such-file" }));
            Story.Fails(Status.InvalidArgument,
                () => Model.ImportCheckpoint(directory, again, new ImportOptions { Tokenizer = "a\0b" }));
            Story.Fails(Status.NotFound, () => Model.ExportCheckpoint("no-such-file", again + ".d"));
            Assert.Throws<ArgumentNullException>(() => Model.ExportCheckpoint(again, null));
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

        [Test]
        public void KeepsSettingsWithAProfile()
        {
            string file = Story.Output("csharp-settings.sipo");
            File.Copy(Story.ModelPath, file, true);
            SessionOptions settings = new SessionOptions
            {
                Context = Context.DeciMamba,
                Layers = new[] { 2, 5 },
                DecimationCapacity = 20,
                DecimationRate = 0.9,
            };
            int[] ids = Story.Model.Tokenize(Story.Text).Take(64).ToArray();
            Calibration calibration;
            using (Model model = Model.Open(file))
            {
                calibration = model.Calibrate(ids, 32);
                calibration.Save(file, "tuned", settings);
                calibration.Save(file, "plain");
                Story.Fails(Status.OutOfRange,
                    () => calibration.Save(file, "bad", new SessionOptions { DecimationRate = 2 }));
            }
            Assert.Throws<ObjectDisposedException>(() => calibration.Save(file, "late", settings));
            calibration.Dispose();
            SessionOptions overriding = new SessionOptions { UseProfile = "tuned", Context = Context.None };
            using (Model model = Model.Open(file))
            using (Session same = model.NewSession(settings))
            using (Session tuned = model.NewSession(new SessionOptions { UseProfile = "tuned" }))
            using (Session other = model.NewSession(overriding))
            {
                foreach (Session session in new[] { same, tuned, other })
                {
                    session.Prefill(ids);
                }
                Assert.Less(tuned.KeptTokens().Length, ids.Length);
                Assert.AreEqual(same.KeptTokens(), tuned.KeptTokens());
                Assert.AreEqual(same.Logits(), tuned.Logits());
                Assert.AreEqual(ids.Length, other.KeptTokens().Length);
                foreach (string name in new[] { "plain", "none" })
                {
                    Story.Fails(Status.NotFound, () => model.NewSession(new SessionOptions { UseProfile = name }));
                }
            }
        }
    }
}
