using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Many requests on one scheduler.</summary>
    [TestFixture]
    public class SchedulerTest
    {
        private static readonly Model model = Story.Model;
        private static readonly int[] text = model.Tokenize(Story.Text);
        private static readonly int[] little = { 1, 2, 3 };

        [Test]
        public void ServesEightThreads()
        {
            using (Scheduler scheduler = model.NewScheduler(new SchedulerOptions { Threads = 2, ChunkTokens = 64 }))
            {
                Story.InEightThreads(48, i =>
                {
                    int[] prompt = text.Take(20 + 7 * i).ToArray();
                    SessionOptions options = new SessionOptions
                    {
                        Context = new[] { Context.None, Context.DeciMamba, Context.LongMamba }[i % 3],
                        DecimationCapacity = 50,
                    };
                    SamplingOptions sampling = new SamplingOptions
                    {
                        Temperature = 0.8,
                        Seed = i,
                        IgnoreEndOfText = true,
                        Stop = new[] { " the" },
                    };
                    using (Session alone = model.NewSession(options))
                    using (Request request = scheduler.Submit(prompt, 10, options, sampling))
                    {
                        alone.Prefill(prompt);
                        Assert.AreEqual(alone.GenerateText(10, sampling), request.Text());
                        Assert.IsNull(request.Next());
                        Assert.AreEqual(prompt.Length, request.Statistics.PromptDone);
                    }
                });
                Assert.AreEqual(48, scheduler.Statistics.Submitted);
                Assert.AreEqual(48, scheduler.Statistics.Finished);
                Assert.Greater(scheduler.Statistics.BusySeconds, 0);
            }
        }

        [Test]
        public void StreamsAndCancels()
        {
            using (Scheduler scheduler = model.NewScheduler())
            {
                using (Request request = scheduler.Submit(little, 1L << 40, null, Story.Endless))
                {
                    Assert.AreEqual(7, request.Tokens().Take(7).Count());
                    Story.Fails(Status.Cancelled, () => request.Text());
                    Assert.AreEqual(Finish.Cancelled, request.Statistics.Finish);
                }
                using (Request request = scheduler.Submit(little, 1L << 40, null, Story.Endless))
                using (CancellationTokenSource source = new CancellationTokenSource(20))
                {
                    Assert.Catch<OperationCanceledException>(() => request.Text(source.Token));
                }
                using (Request request = scheduler.Submit(little, 12, null, Story.Endless))
                {
                    Assert.AreEqual(12, Count(request).Result);
                }
                using (Request request = scheduler.Submit(text, 5))
                {
                    Story.Fails(Status.TimedOut, () => request.Next(TimeSpan.Zero));
                    Assert.Throws<ArgumentOutOfRangeException>(() => request.Next(TimeSpan.FromSeconds(-1)));
                }
                Request closed = scheduler.Submit(text, 5);
                Task other = Task.Run(() => closed.Dispose());
                Exception e = Assert.Catch(() => closed.Text());
                Assert.IsTrue(e is ObjectDisposedException || e is SipoException, e.ToString());
                other.Wait();
                Assert.Throws<ObjectDisposedException>(() => closed.Next());
                Assert.Throws<ObjectDisposedException>(() => closed.Cancel());
                closed.Dispose();
            }
        }

        private static async Task<int> Count(Request request)
        {
            int count = 0;
            IAsyncEnumerator<Token> tokens = request.TokensAsync().GetAsyncEnumerator();
            while (await tokens.MoveNextAsync())
            {
                ++count;
            }
            await tokens.DisposeAsync();
            return count;
        }

        [Test]
        public void LetsExceptionsOfListenersThrough()
        {
            OwnException own = new OwnException();
            using (Scheduler scheduler = model.NewScheduler())
            {
                SessionOptions throwing = new SessionOptions { Progress = (done, total) => throw own };
                using (Request request = scheduler.Submit(text, 5, throwing))
                {
                    Assert.AreSame(own, Assert.Throws<OwnException>(() => request.Text()));
                }
                SamplingOptions sampling = new SamplingOptions { LogProbabilities = (token, likeliest) => throw own };
                using (Request request = scheduler.Submit(little, 5, null, sampling))
                {
                    Assert.AreSame(own, Assert.Throws<OwnException>(() => request.Text()));
                }
                int told = 0;
                SessionOptions telling = new SessionOptions { Progress = (done, total) => ++told > 0 };
                using (Request request = scheduler.Submit(text.Take(100).ToArray(), 3, telling, Story.Endless))
                {
                    Assert.AreNotEqual("", request.Text());
                }
                Assert.Greater(told, 0);
            }
        }

        [Test]
        public void Refuses()
        {
            Story.Fails(Status.OutOfRange, () => model.NewScheduler(new SchedulerOptions { Sessions = 0 }));
            Story.Fails(Status.OutOfRange, () => model.NewScheduler(new SchedulerOptions { Queue = 0 }));
            Story.Fails(Status.OutOfRange, () => model.NewScheduler(new SchedulerOptions { Threads = -1 }));
            Story.Fails(Status.OutOfMemory, () => model.NewScheduler(new SchedulerOptions { MemoryLimit = 1000 }));
            Scheduler scheduler = model.NewScheduler(new SchedulerOptions { Sessions = 1, Queue = 1 });
            Assert.Throws<ArgumentNullException>(() => scheduler.Submit(null, 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => scheduler.Submit(text, -1));
            Story.Fails(Status.OutOfRange, () => scheduler.Submit(new[] { -1 }, 1));
            Story.Fails(Status.OutOfRange, () => scheduler.Submit(new int[0], 1));
            Story.Fails(Status.OutOfRange, () => scheduler.Submit(text, 1, new SessionOptions { DecimationRate = 2 }));
            List<Request> requests = new List<Request>();
            Story.Fails(Status.Busy, () =>
            {
                for (int i = 0; i < 5; ++i)
                {
                    requests.Add(scheduler.Submit(text, 1));
                }
            });
            Assert.AreEqual(1, scheduler.Statistics.Refused);
            scheduler.Dispose();
            scheduler.Dispose();
            foreach (Request request in requests)
            {
                Story.Fails(Status.Cancelled, () => request.Text());
                request.Dispose();
            }
            Assert.Throws<ObjectDisposedException>(() => scheduler.Submit(text, 1));
            Assert.Throws<ObjectDisposedException>(() => scheduler.Statistics.ToString());
        }

        [Test]
        public void OutlivesModelAndCache()
        {
            Model other = Model.Open(Story.ModelPath);
            Cache cache = other.NewCache();
            using (Scheduler scheduler = other.NewScheduler(new SchedulerOptions { Cache = cache }))
            {
                cache.Dispose();
                other.Dispose();
                int[] prompt = text.Take(400).ToArray();
                using (Request first = scheduler.Submit(prompt, 5))
                {
                    string answer = first.Text();
                    using (Request again = scheduler.Submit(prompt, 5))
                    {
                        Assert.AreEqual(answer, again.Text());
                        Assert.AreEqual(400, again.Statistics.ReusedTokens);
                    }
                }
                Assert.AreEqual(400, scheduler.Statistics.ReusedTokens);
            }
        }

        [Test]
        public void KeepsMemoryFlat()
        {
            using (Scheduler scheduler = model.NewScheduler())
            {
                SessionOptions telling = new SessionOptions { Progress = (done, total) => true };
                Story.StaysFlat("4,000 requests", 1000, () =>
                {
                    Request[] requests = Enumerable.Range(0, 4)
                        .Select(i => scheduler.Submit(little, 2, telling, Story.Endless)).ToArray();
                    foreach (Request request in requests)
                    {
                        request.Text();
                        request.Dispose();
                    }
                    Assert.Throws<SipoException>(() => scheduler.Submit(new[] { -1 }, 1));
                });
            }
        }
    }
}
