using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Listeners that stop or throw, and cancelling from elsewhere.</summary>
    [TestFixture]
    public class CallbackTest
    {
        private static readonly Model model = Story.Model;
        private static readonly int[] longPrompt = model.Tokenize(Story.Text);

        [Test]
        public void LetsExceptionsThrough()
        {
            OwnException own = new OwnException();
            ProgressListener progress = (done, total) => throw own;
            using (Session session = model.NewSession(new SessionOptions { Progress = progress }))
            {
                Assert.AreSame(own, Assert.Throws<OwnException>(() => session.Prefill(new[] { 1, 2, 3 })));
                Assert.AreSame(own, Assert.Throws<OwnException>(() => session.Score(new[] { 1, 2, 3 }, 1)));
                Assert.AreEqual(0, session.Position);
                session.Decode(1);
                Assert.AreSame(own, Assert.Throws<OwnException>(
                    () => session.Generate(5, token => throw own, Story.Endless)));
                StringAssert.Contains("LetsExceptionsThrough", own.StackTrace);
                Assert.AreEqual(2, session.Position);
                Story.Fails(Status.OutOfRange, () => session.Prefill(new[] { -1 }));
                Assert.AreEqual(2, session.Generate(2, token => true, Story.Endless));
            }
            Assert.Throws<OwnException>(() => Model.Open(Story.ModelPath, new ModelOptions { Progress = progress }));
            Assert.Throws<OwnException>(
                () => model.Calibrate(longPrompt, 64, new CalibrationOptions { Progress = progress }));
            Assert.Throws<OwnException>(
                () => Model.Open(Story.ModelPath, new ModelOptions { Log = (level, line) => throw own }));
        }

        [Test]
        public void LogsAndReports()
        {
            ConcurrentQueue<string> lines = new ConcurrentQueue<string>();
            int calls = 0;
            using (Model logged = Model.Open(Story.ModelPath, new ModelOptions
            {
                Backend = "cpu",
                Threads = 1,
                Log = (level, line) => lines.Enqueue(level + line),
                Progress = (done, total) => ++calls > 0,
            }))
            {
                Story.Started(logged).Dispose();
            }
            Assert.IsTrue(lines.First().StartsWith("Information"));
            Assert.IsTrue(calls > 0);
        }

        [Test]
        public void CancelsWhenProgressSaysSo()
        {
            using (Session session = model.NewSession(new SessionOptions
            {
                ChunkTokens = 64,
                Progress = (done, total) => done < 200,
            }))
            {
                Story.Fails(Status.Cancelled, () => session.Prefill(longPrompt));
                Assert.AreEqual(0, session.Position);
            }
        }

        [Test]
        public void CancelsFromAnotherThread()
        {
            ManualResetEventSlim running = new ManualResetEventSlim();
            using (Session session = model.NewSession(new SessionOptions
            {
                ChunkTokens = 16,
                Progress = (done, total) =>
                {
                    running.Set();
                    return true;
                },
            }))
            {
                Task other = Task.Run(() =>
                {
                    running.Wait();
                    session.Cancel();
                });
                Story.Fails(Status.Cancelled, () => session.Prefill(longPrompt));
                other.Wait();
                Assert.AreEqual(0, session.Position);
            }
        }

        [Test]
        public void CancelsWithTheToken()
        {
            using (Session session = model.NewSession(new SessionOptions { ChunkTokens = 64 }))
            {
                session.PrefillAsync(new[] { 1, 2, 3 }).Wait();
                foreach (int delay in new[] { 0, 0, 1, 5 })
                {
                    using (CancellationTokenSource source = new CancellationTokenSource())
                    {
                        Task reading = session.PrefillAsync(longPrompt, source.Token);
                        Thread.Sleep(delay);
                        source.Cancel();
                        AggregateException e = Assert.Throws<AggregateException>(() => reading.Wait());
                        Assert.IsInstanceOf<OperationCanceledException>(e.InnerException);
                    }
                }
                using (CancellationTokenSource source = new CancellationTokenSource())
                {
                    Assert.Catch<OperationCanceledException>(() => session.Generate(1L << 40, token =>
                    {
                        source.Cancel();
                        return true;
                    }, Story.Endless, source.Token));
                    Assert.Catch<OperationCanceledException>(
                        () => session.Tokens(10, Story.Endless, source.Token).Count());
                }
                Assert.AreEqual(4, session.GenerateAsync(4, token => true, Story.Endless).Result);
            }
        }
    }
}
