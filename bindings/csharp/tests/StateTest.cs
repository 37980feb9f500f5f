using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Snapshots, forks, checkpoints, prefix caches, shared threads, memory.</summary>
    [TestFixture]
    public class StateTest
    {
        private static readonly Model model = Story.Model;
        private static readonly int[] text = model.Tokenize(Story.Text);

        private static SessionOptions Options(Context context, int threads = 1) => new SessionOptions
        {
            Context = context,
            DecimationCapacity = 100,
            Threads = threads,
            ChunkTokens = 64,
        };

        private static int[] First(int tokens) => text.Take(tokens).ToArray();

        [Test]
        public void GoesOnFromSnapshots()
        {
            SamplingOptions lively =
                new SamplingOptions { Temperature = 1, Seed = 3, IgnoreEndOfText = true, Resume = true };
            string file = Story.Output("csharp.sipo-state");
            foreach (Context context in new[] { Context.None, Context.DeciMamba, Context.LongMamba })
            {
                using (Session session = model.NewSession(Options(context)))
                using (Session other = model.NewSession(Options(context, 2)))
                {
                    session.Prefill(First(300));
                    session.GenerateText(5, lively);
                    session.Save(file);
                    session.Save(file, new SnapshotOptions { Store = Store.Zstd, Flush = false });
                    byte[] raw = session.SaveMemory();
                    byte[] packed = session.SaveMemory(new SnapshotOptions { Store = Store.Zstd });
                    Assert.Less(packed.Length, raw.Length);
                    string expected = session.GenerateText(20, lively);
                    Action[] ways = { () => other.Load(file), () => other.LoadMemory(raw), () => other.LoadMemory(packed) };
                    foreach (Action load in ways)
                    {
                        other.Reset();
                        load();
                        Assert.AreEqual(305, other.Position);
                        Assert.AreEqual(expected, other.GenerateText(20, lively));
                        Assert.AreEqual(session.TokenHash, other.TokenHash);
                    }
                }
            }
            File.Delete(file);
        }

        [Test]
        public void RefusesOtherSnapshots()
        {
            using (Session session = Story.Started(model))
            using (Session other = model.NewSession(Options(Context.DeciMamba)))
            {
                byte[] snapshot = session.SaveMemory();
                long before = session.Position;
                Story.Fails(Status.InvalidArgument, () => other.LoadMemory(snapshot));
                snapshot[snapshot.Length / 2] ^= 1;
                Story.Fails(Status.CorruptFile, () => session.LoadMemory(snapshot));
                Story.Fails(Status.CorruptFile, () => session.LoadMemory(new byte[100]));
                Story.Fails(Status.CorruptFile, () => session.LoadMemory(null));
                Story.Fails(Status.NotFound, () => session.Load("no-such-state"));
                Story.Fails(Status.InvalidArgument, () => session.Rewind("a\0b"));
                Story.Fails(Status.NotFound, () => session.Save("no-such-folder/state"));
                Assert.Throws<ArgumentNullException>(() => session.Load(null));
                Assert.AreEqual(before, session.Position);
            }
        }

        [Test]
        public void ForksAndRewinds()
        {
            Session session = Story.Started(model);
            session.Checkpoint("start");
            string expected = session.GenerateText(12, Story.Endless);
            session.Rewind("start");
            using (Session fork = session.Fork())
            {
                fork.Decode(9);
                Assert.AreNotEqual(session.TokenHash, fork.TokenHash);
                Assert.AreEqual(expected, session.GenerateText(12, Story.Endless));
                session.Dispose();
                Assert.AreEqual(4, fork.Generate(4, token => true, Story.Endless));
                Story.Fails(Status.NotFound, () => fork.Rewind("start"));
                fork.Checkpoint("end");
                fork.DropCheckpoint("end");
                Story.Fails(Status.NotFound, () => fork.DropCheckpoint("end"));
            }
            Assert.Throws<ObjectDisposedException>(() => session.Fork());
            Assert.Throws<ObjectDisposedException>(() => session.SaveMemory());
        }

        /// <summary>Cancelling what one does leaves the other alone, though they share a listener.</summary>
        [Test]
        public void ForksAreCancelledAlone()
        {
            using (Session session = model.NewSession(new SessionOptions { Progress = (done, total) => true }))
            using (Session fork = session.Fork())
            using (CancellationTokenSource source = new CancellationTokenSource())
            {
                Task kept = session.PrefillAsync(First(4000));
                Task left = fork.PrefillAsync(text, source.Token);
                source.Cancel();
                Assert.Throws<AggregateException>(() => left.Wait());
                kept.Wait();
                Assert.AreEqual(4000, session.Position);
            }
        }

        [Test]
        public void ReadsThroughACache()
        {
            CacheOptions kept = new CacheOptions
            {
                Memory = 1 << 26,
                Interval = 256,
                Directory = Story.Output("csharp-cache"),
                DirectoryBytes = 1 << 28,
            };
            int[] prompt = First(1500);
            int[] other = First(1500);
            other[1499] = prompt[3];
            using (Cache cache = model.NewCache(kept))
            using (Session first = model.NewSession(Options(Context.None)))
            using (Session second = model.NewSession(Options(Context.None)))
            using (Session without = model.NewSession(Options(Context.None)))
            {
                cache.Clear();
                first.PrefillCached(cache, prompt);
                Assert.AreEqual(0, first.Statistics.ReusedTokens);
                second.PrefillCached(cache, other);
                without.Prefill(other);
                CollectionAssert.AreEqual(without.Logits(), second.Logits());
                Assert.GreaterOrEqual(second.Statistics.ReusedTokens, 1400);
                CacheStatistics statistics = cache.Statistics;
                Assert.AreEqual(2, statistics.Prompts);
                Assert.AreEqual(1, statistics.PromptsReusing);
                Assert.AreEqual(second.Statistics.ReusedTokens, statistics.TokensReused);
                Assert.IsTrue(statistics.Bytes > 0 && statistics.DirectoryBytes > 0);
            }
            Cache again = model.NewCache(kept);
            using (Session session = model.NewSession(Options(Context.None)))
            {
                session.PrefillCached(again, prompt);
                Assert.AreEqual(1500, session.Statistics.ReusedTokens);
                again.Clear();
                Assert.AreEqual(0, again.Statistics.DirectoryBytes);
                again.Dispose();
                again.Dispose();
                Assert.Throws<ObjectDisposedException>(() => again.Statistics.ToString());
                Assert.Throws<ObjectDisposedException>(() => session.PrefillCached(again, prompt));
                Assert.Throws<ArgumentNullException>(() => session.PrefillCached(null, prompt));
            }
            Story.Fails(Status.OutOfRange, () => model.NewCache(new CacheOptions { Interval = 1 }));
            Story.Fails(Status.OutOfRange, () => model.NewCache(new CacheOptions { Memory = -1 }));
            Story.Fails(Status.IoError, () => model.NewCache(new CacheOptions { Directory = Story.ModelPath + "/folder" }));
        }

        [Test]
        public void SharesThreads()
        {
            Workers workers = model.NewWorkers(2);
            Func<string> answer = () =>
            {
                SessionOptions options = Options(Context.None);
                options.Workers = workers;
                using (Session session = model.NewSession(options))
                {
                    session.Prefill(First(500));
                    return session.GenerateText(8, Story.Endless);
                }
            };
            string expected = answer();
            Story.InEightThreads(8, i => Assert.AreEqual(expected, answer()));
            workers.Dispose();
            Assert.Throws<ObjectDisposedException>(() => answer());
            Story.Fails(Status.OutOfRange, () => model.NewWorkers(-1));
        }

        [Test]
        public void TellsMemoryAndKeepsLimits()
        {
            long session = model.SessionMemory(Options(Context.None), 1000);
            Assert.Greater(session, model.StateBytes);
            Assert.Greater(model.SessionMemory(Options(Context.DeciMamba), 100000), session);
            Assert.GreaterOrEqual(Model.Memory(Story.ModelPath), model.WeightBytes);
            Story.Fails(Status.OutOfMemory, () => model.NewSession(new SessionOptions { MemoryLimit = 1000 }));
            Story.Fails(Status.OutOfMemory, () => Model.Open(Story.ModelPath, new ModelOptions { DeviceMemoryLimit = 1L << 40, MemoryLimit = 1000 }));
            Story.Fails(Status.NotFound, () => Model.Memory("no-such-model"));
            Story.Fails(Status.OutOfRange, () => model.SessionMemory(new SessionOptions(), 0));
            using (Session read = Story.Started(model))
            {
                Assert.AreEqual(Model.TokenHash(model.Tokenize("The old man looked at the sea and")), read.TokenHash);
            }
        }

        [Test]
        public void KeepsMemoryFlat()
        {
            using (Session session = Story.Started(model))
            {
                byte[] wrong = new byte[1000];
                Story.StaysFlat("1,000 snapshots, forks and checkpoints", 1000, () =>
                {
                    session.LoadMemory(session.SaveMemory());
                    session.Checkpoint("here");
                    session.Fork().Dispose();
                    Assert.Throws<SipoException>(() => session.LoadMemory(wrong));
                });
            }
        }
    }
}
