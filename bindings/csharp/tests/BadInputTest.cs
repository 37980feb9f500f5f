using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Everything that must give an exception, and never end the process.</summary>
    [TestFixture]
    public class BadInputTest
    {
        private static readonly Model model = Story.Model;

        [Test]
        public void RefusesFiles()
        {
            string garbage = Story.Output("csharp-garbage.sipo");
            File.WriteAllText(garbage, string.Concat(Enumerable.Repeat("no model at all", 50)));
            Story.Fails(Status.CorruptFile, () => Model.Open(garbage));
            Story.Fails(Status.NotFound, () => Model.Open("no-such-file \ud83d\ude00.sipo"));
            Story.Fails(Status.InvalidArgument, () => Model.Open(Story.ModelPath + "\0.txt"));
            Story.Fails(Status.NotFound, () => Model.Open(Story.ModelPath, new ModelOptions { Backend = "abacus" }));
            Story.Fails(Status.OutOfRange, () => Model.Open(Story.ModelPath, new ModelOptions { Threads = -1 }));
        }

        [Test]
        public void RefusesSessionOptions()
        {
            foreach (SessionOptions options in new[]
            {
                new SessionOptions { DecimationRate = 0 },
                new SessionOptions { DecimationRate = double.NaN },
                new SessionOptions { DecimationCapacity = 0 },
                new SessionOptions { DecimationMinTokens = -1 },
                new SessionOptions { ProtectedTail = 0 },
                new SessionOptions { Layers = new[] { 8 } },
                new SessionOptions { Layers = new[] { -1 } },
                new SessionOptions { GlobalChannelThreshold = 1 },
                new SessionOptions { ExpectedTokens = -1 },
                new SessionOptions { Threads = 257 },
                new SessionOptions { ChunkTokens = 0 },
            })
            {
                Story.Fails(Status.OutOfRange, () => model.NewSession(options));
            }
            Story.Fails(Status.InvalidArgument, () => model.NewSession(new SessionOptions { Layers = new[] { 1, 1 } }));
            Story.Fails(Status.OutOfRange, () => model.NewSession(new SessionOptions { Context = (Context)7 }));
            Story.Fails(Status.NotFound, () => model.NewSession(new SessionOptions { Profile = "none" }));
            Story.Started(model, new SessionOptions
            {
                Context = Context.LongMamba,
                AllLayers = true,
                FilteredChannels = Channels.Random,
                ChannelSeed = -5,
                GlobalChannelThreshold = 0.5,
                ExpectedTokens = 9,
                DecimationRate = 1,
                DecimationMinTokens = 3,
                ProtectedTail = 2,
                Profile = "default",
            }).Dispose();
        }

        [Test]
        public void RefusesSamplingOptions()
        {
            using (Session session = Story.Started(model))
            {
                foreach (SamplingOptions options in new[]
                {
                    new SamplingOptions { Temperature = -1 },
                    new SamplingOptions { TopK = -1 },
                    new SamplingOptions { TopP = 0 },
                    new SamplingOptions { MinP = 2 },
                    new SamplingOptions { RepetitionPenalty = 0 },
                    new SamplingOptions { RepetitionWindow = -1 },
                })
                {
                    Story.Fails(Status.OutOfRange, () => session.Generate(1, token => true, options));
                }
            }
        }

        [Test]
        public void RefusesNullAndNegative()
        {
            int[] ids = { 1, 2, 3 };
            using (Session session = Story.Started(model))
            {
                Assert.Throws<ArgumentNullException>(() => session.Prefill((int[])null));
                Assert.Throws<ArgumentNullException>(() => session.Generate(1, null));
                Assert.Throws<ArgumentNullException>(() => model.Tokenize(null));
                Assert.Throws<ArgumentNullException>(() => model.Detokenize((int[])null));
                Assert.Throws<ArgumentNullException>(() => model.Calibrate(null, 2));
                Assert.Throws<ArgumentNullException>(() => Model.Open(null));
                Assert.Throws<ArgumentNullException>(() => Session.DecodeTogether(null, ids));
                Assert.Throws<ArgumentNullException>(() => Session.DecodeTogether(new Session[1], new[] { 1 }));
                Assert.Throws<ArgumentException>(() => Session.DecodeTogether(new[] { session }, new int[0]));
                Assert.Throws<ArgumentOutOfRangeException>(() => session.Score(ids, -1));
                Assert.Throws<ArgumentOutOfRangeException>(() => session.PrefillLogits(ids, -1));
                Assert.Throws<ArgumentOutOfRangeException>(() => session.Generate(-1, token => true));
                Assert.Throws<ArgumentOutOfRangeException>(() => session.Tokens(-1));
                Assert.Throws<ArgumentOutOfRangeException>(() => model.Calibrate(ids, -1));
                Story.Fails(Status.OutOfRange, () => session.Generate(0, token => true));
                Story.Fails(Status.OutOfRange, () => session.PrefillLogits(ids, 4));
                Story.Fails(Status.OutOfRange, () => session.Decode(4096));
                Story.Fails(Status.OutOfRange, () => session.Prefill(new int[] { 1, -2 }));
                SipoException empty = Assert.Throws<SipoException>(() => session.Prefill(new int[0]));
                Assert.IsTrue(empty.Status == Status.OutOfRange || empty.Status == Status.InvalidArgument);
            }
            using (Session fresh = model.NewSession())
            {
                Story.Fails(Status.InvalidState, () => fresh.Logits());
                Story.Fails(Status.InvalidState, () => fresh.Generate(1, token => true));
            }
        }

        [Test]
        public void RefusesWhatIsDisposed()
        {
            Model other = Model.Open(Story.ModelPath);
            Session session = Story.Started(other);
            Calibration calibration = other.Calibrate(other.Tokenize(Story.Text.Substring(0, 999)), 64);
            other.Dispose();
            other.Dispose();
            Assert.Throws<ObjectDisposedException>(() => GC.KeepAlive(other.Layers));
            Assert.Throws<ObjectDisposedException>(() => other.NewSession());
            // A disposed model leaves its sessions alone.
            Assert.AreEqual(3, session.Generate(3, token => true, Story.Endless));
            calibration.Dispose();
            calibration.Dispose();
            Assert.Throws<ObjectDisposedException>(() => calibration.Lengths());
            Assert.Throws<ObjectDisposedException>(
                () => model.NewSession(new SessionOptions { Calibration = calibration }));
            session.Dispose();
            session.Dispose();
            Assert.Throws<ObjectDisposedException>(() => session.Prefill(new[] { 1 }));
            Assert.Throws<ObjectDisposedException>(() => session.Cancel());
            Assert.Throws<ObjectDisposedException>(() => Session.DecodeTogether(new[] { session }, new[] { 1 }));
        }

        [Test]
        public void DisposesUnderARunningCall()
        {
            for (int round = 0; round < 20; ++round)
            {
                Session session = Story.Started(model);
                ManualResetEventSlim running = new ManualResetEventSlim();
                Task other = Task.Run(() =>
                {
                    running.Wait();
                    session.Dispose();
                });
                Story.Fails(Status.Cancelled, () => session.Generate(1L << 40, token =>
                {
                    running.Set();
                    return true;
                }, Story.Endless));
                other.Wait();
                Assert.Throws<ObjectDisposedException>(() => GC.KeepAlive(session.Position));
            }
        }

        [Test]
        public void RefusesTheSessionInsideItsCallback()
        {
            using (Session session = Story.Started(model))
            {
                Assert.AreEqual(2, session.Generate(2, token =>
                {
                    Story.Fails(Status.InvalidState, () => session.Logits());
                    return true;
                }, Story.Endless));
            }
        }

        [Test]
        public void KeepsMemoryFlatOverErrors()
        {
            SessionOptions bad = new SessionOptions { DecimationRate = 2 };
            int[] wrong = { 1, 2, -3 };
            int[] one = { 1 };
            using (Session session = Story.Started(model))
            using (Session failing = model.NewSession(new SessionOptions
            {
                Threads = 1,
                Progress = (done, total) => throw new OwnException(),
            }))
            {
                Story.StaysFlat("400,000 errors", 100000, () =>
                {
                    Throws(() => session.Prefill(wrong));
                    Throws(() => model.NewSession(bad));
                    Throws(() => Model.Open("no-such-file-with-a-name-of-some-length.sipo"));
                    Throws(() => session.Decode(9999));
                });
                Story.StaysFlat("2,000 thrown by a listener", 2000, () => Throws(() => failing.Prefill(one)));
            }
        }

        private static void Throws(Action call)
        {
            try
            {
                call();
            }
            catch (SipoException)
            {
                return;
            }
            catch (OwnException)
            {
                return;
            }
            Assert.Fail("no exception");
        }

        [Test]
        public void KeepsMemoryFlatOverSessions()
        {
            Story.StaysFlat("10,000 sessions", 10000, () =>
            {
                using (Session session = model.NewSession(new SessionOptions { Threads = 1 }))
                {
                    session.Decode(1);
                }
            });
        }

        [Test]
        public void FreesForgottenSessions()
        {
            int count = 0;
            Story.StaysFlat("4,000 forgotten sessions", 4000, () =>
            {
                model.NewSession(new SessionOptions { Threads = 1 }).Decode(1);
                if (++count % 64 == 0)
                {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                }
            });
        }
    }
}
