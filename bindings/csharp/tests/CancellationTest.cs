using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Every long call ends with its token: before it begins and while it runs.</summary>
    [TestFixture]
    public class CancellationTest
    {
        private static readonly Model model = Story.Model;
        private static readonly int[] text = model.Tokenize(Story.Text);
        private static readonly string[] choices = Enumerable.Repeat(Story.Text.Substring(0, 400), 2000).ToArray();

        /// <summary>Cancels before the call, and from another thread soon after.</summary>
        private static void Cancels(Action<CancellationToken> call)
        {
            using (CancellationTokenSource source = new CancellationTokenSource())
            {
                source.Cancel();
                Assert.Catch<OperationCanceledException>(() => call(source.Token));
            }
            foreach (int delay in new[] { 1, 1, 2, 20 })
            {
                using (CancellationTokenSource source = new CancellationTokenSource(delay))
                {
                    OperationCanceledException e =
                        Assert.Catch<OperationCanceledException>(() => call(source.Token));
                    Assert.AreEqual(source.Token, e.CancellationToken);
                }
            }
        }

        [Test]
        public void EndsTheCallsOfASession()
        {
            using (Session session = Story.Started(model, new SessionOptions { ChunkTokens = 64 }))
            using (Cache cache = model.NewCache())
            {
                long before = session.Position;
                Cancels(token => session.Prefill(text, token));
                Cancels(token => session.PrefillCached(cache, text, token));
                Cancels(token => session.PrefillLogits(text, 1, token));
                Cancels(token => session.Score(text, 1, token));
                Cancels(token => session.Choose(choices, token));
                Assert.AreEqual(before, session.Position);
                Cancels(token => session.GenerateText(1L << 40, Story.Endless, token));
                Cancels(token => session.Tokens(1L << 40, Story.Endless, token).Count());
                Assert.AreEqual(4, session.Generate(4, token => true, Story.Endless));
            }
        }

        /// <summary>One choice, cancelled thousands of times around its beginning.</summary>
        [Test]
        public void LosesNoCancel()
        {
            string[] two = { Story.Text.Substring(0, 4000), "one" };
            using (Session session = Story.Started(model))
            {
                long before = session.Position;
                for (int i = 0; i < 200; ++i)
                {
                    using (CancellationTokenSource source = new CancellationTokenSource())
                    {
                        Task<Choice> choice = Task.Run(() => session.Choose(two, source.Token));
                        Thread.SpinWait(50 * i);
                        source.Cancel();
                        AggregateException e = Assert.Throws<AggregateException>(() => choice.Wait());
                        Assert.IsInstanceOf<OperationCanceledException>(e.InnerException);
                    }
                }
                Assert.AreEqual(before, session.Position);
            }
        }

        /// <summary>The token is cancelled when work reports progress, which is the last that its listener
        /// hears.</summary>
        private static void EndsWithItsToken(Action<ProgressListener, CancellationToken> call)
        {
            int heard = 0;
            using (CancellationTokenSource source = new CancellationTokenSource())
            {
                ProgressListener listener = (done, total) =>
                {
                    ++heard;
                    Task.Run(() => source.Cancel()).Wait();
                    return true;
                };
                Assert.Catch<OperationCanceledException>(() => call(listener, source.Token));
                Assert.Catch<OperationCanceledException>(() => call(listener, source.Token));
            }
            Assert.AreEqual(1, heard);
        }

        [Test]
        public void EndsTheCallsOfAModel()
        {
            EndsWithItsToken((listener, token) =>
                Model.Open(Story.ModelPath, new ModelOptions { Progress = listener }, token).Dispose());
            EndsWithItsToken((listener, token) =>
                model.Calibrate(text, 64, new CalibrationOptions { Progress = listener }, token).Dispose());
            EndsWithItsToken((listener, token) =>
                model.Analyze(text, null, new AnalysisOptions { Progress = listener }, token));
        }

        /// <summary>Nothing is left of them but the empty directory of an export.</summary>
        [Test]
        public void EndsConversions()
        {
            string output = Story.Output("csharp-cancelled");
            if (Directory.Exists(output))
            {
                Directory.Delete(output);
            }
            Func<ProgressListener, ImportOptions> options =
                listener => new ImportOptions { Threads = 1, Progress = listener };
            EndsWithItsToken((listener, token) =>
                Model.ImportCheckpoint(Story.Checkpoint, output, options(listener), token));
            EndsWithItsToken((listener, token) => Model.Quantize(Story.ModelPath, output, options(listener), token));
            EndsWithItsToken((listener, token) => Model.WritePreset("mamba-130m", output, options(listener), token));
            Assert.IsFalse(File.Exists(output));
            EndsWithItsToken((listener, token) =>
                Model.ExportCheckpoint(Story.ModelPath, output, options(listener), token));
            Directory.Delete(output);
        }

        [Test]
        public void KeepsMemoryFlat()
        {
            using (Session session = Story.Started(model))
            {
                Story.StaysFlat("1,000 cancelled choices and openings", 1000, () =>
                {
                    using (CancellationTokenSource source = new CancellationTokenSource())
                    {
                        Assert.Catch<OperationCanceledException>(() => Model.Open(Story.ModelPath,
                            new ModelOptions { Progress = (done, total) => { source.Cancel(); return true; } },
                            source.Token));
                        Assert.Catch<OperationCanceledException>(() => session.Choose(choices, source.Token));
                    }
                });
            }
        }
    }
}
