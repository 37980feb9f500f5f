using System;
using System.Collections.Generic;
using System.Linq;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Stop sequences, biases, log probabilities, choices.</summary>
    [TestFixture]
    public class GenerationTest
    {
        private static readonly Model model = Story.Model;

        private static SamplingOptions With(Action<SamplingOptions> set)
        {
            SamplingOptions options = new SamplingOptions { IgnoreEndOfText = true };
            set(options);
            return options;
        }

        [Test]
        public void StopsAtTexts()
        {
            using (Session session = Story.Started(model))
            {
                session.Checkpoint("start");
                string all = session.GenerateText(30, Story.Endless);
                string stop = all.Substring(10, 4);
                session.Rewind("start");
                Assert.AreEqual(all.Substring(0, all.IndexOf(stop, StringComparison.Ordinal)),
                    session.GenerateText(30, With(o => o.Stop = new[] { "\u2603", stop })));
                SessionStatistics statistics = session.Statistics;
                Assert.AreEqual(Finish.StopSequence, statistics.Finish);
                Assert.IsTrue(statistics.GenerationSeconds > 0 && statistics.FirstTokenSeconds > 0);
                Story.Fails(Status.OutOfRange, () => session.GenerateText(1, With(o => o.Stop = new[] { "" })));
                Assert.Throws<ArgumentNullException>(
                    () => session.GenerateText(1, With(o => o.Stop = new string[] { null })));
            }
        }

        /// <summary>Token 17 and the end of text follow, and token 17 might begin a stop sequence.</summary>
        [Test]
        public void TellsHeldTextAtTheEnd()
        {
            SamplingOptions ending = new SamplingOptions
            {
                RepetitionPenalty = 100,
                RepetitionWindow = 8,
                LogitBias = new Dictionary<int, float> { { 17, 1000 }, { model.EndOfText, 900 } },
                Stop = new[] { model.Detokenize(17) + "\u2603" },
            };
            Token[] expected = null;
            using (Session session = Story.Started(model))
            {
                List<Token> tokens = new List<Token>();
                long count = session.Generate(9, token =>
                {
                    tokens.Add(token);
                    return true;
                }, ending);
                Assert.AreEqual(1, count);
                expected = tokens.ToArray();
                CollectionAssert.AreEqual(new[] { 17, -1 }, expected.Select(token => token.Id));
                CollectionAssert.AreEqual(new[] { "", model.Detokenize(17) }, expected.Select(token => token.Text));
                Assert.AreEqual(Finish.EndOfText, session.Statistics.Finish);
                Assert.AreEqual(1, session.Statistics.GeneratedTokens);
            }
            using (Scheduler scheduler = model.NewScheduler())
            using (Request request = scheduler.Submit(new[] { 1 }, 9, null, ending))
            {
                CollectionAssert.AreEqual(expected, request.Tokens());
                Assert.AreEqual(Finish.EndOfText, request.Statistics.Finish);
            }
        }

        [Test]
        public void BiasesTokens()
        {
            using (Session session = Story.Started(model))
            {
                SamplingOptions only = With(o =>
                    o.LogitBias = new Dictionary<int, float> { { 17, 1000 }, { 18, float.NegativeInfinity } });
                CollectionAssert.AreEqual(new[] { 17, 17, 17 }, session.Tokens(3, only).Select(token => token.Id));
                SamplingOptions outside = With(o => o.LogitBias = new Dictionary<int, float> { { 1 << 20, 1 } });
                Story.Fails(Status.OutOfRange, () => session.GenerateText(1, outside));
            }
        }

        [Test]
        public void ReportsLogProbabilities()
        {
            using (Session session = Story.Started(model))
            {
                List<int> taken = new List<int>();
                SamplingOptions reporting = With(o =>
                {
                    o.Likeliest = 3;
                    o.LogProbabilities = (token, likeliest) =>
                    {
                        taken.Add(token.Id);
                        return likeliest.Count == 3 && likeliest[0].Equals(token) && token.LogProbability < 0
                            && likeliest[0].LogProbability >= likeliest[1].LogProbability;
                    };
                });
                CollectionAssert.AreEqual(session.Tokens(6, reporting).Select(token => token.Id).ToArray(), taken);
                Story.Fails(Status.Cancelled, () => session.GenerateText(3, With(o => o.LogProbabilities = (t, l) => false)));
                OwnException own = new OwnException();
                Assert.AreSame(own, Assert.Throws<OwnException>(
                    () => session.GenerateText(3, With(o => o.LogProbabilities = (t, l) => throw own))));
                reporting.Likeliest = 1025;
                Story.Fails(Status.OutOfRange, () => session.GenerateText(1, reporting));
            }
        }

        [Test]
        public void ChoosesAmongTexts()
        {
            using (Session session = Story.Started(model))
            {
                session.Checkpoint("start");
                string likely = session.GenerateText(2, Story.Endless);
                session.Rewind("start");
                long before = session.Position;
                Choice choice = session.Choose(new[] { "\u2603\u2603 zebra", likely, "qqq \ud83d\ude00" });
                Assert.AreEqual(1, choice.Index);
                Assert.AreEqual(3, choice.LogProbabilities.Count);
                Assert.Greater(choice.LogProbabilities[1], choice.LogProbabilities[0]);
                Assert.AreEqual(before + model.Tokenize(likely).Length, session.Position);
                Story.Fails(Status.OutOfRange, () => session.Choose(new string[0]));
                Assert.Throws<ArgumentNullException>(() => session.Choose(null));
                Assert.Throws<ArgumentNullException>(() => session.Choose(new string[] { null }));
            }
            using (Session fresh = model.NewSession())
            {
                Story.Fails(Status.InvalidState, () => fresh.Choose(new[] { "a", "b" }));
            }
        }

        [Test]
        public void KeepsMemoryFlat()
        {
            using (Session session = Story.Started(model))
            {
                session.Checkpoint("start");
                SamplingOptions all = With(o =>
                {
                    o.Stop = new[] { "no such text in the answer" };
                    o.LogitBias = new Dictionary<int, float> { { 5, 1 } };
                    o.Likeliest = 5;
                    o.LogProbabilities = (token, likeliest) => true;
                });
                Story.StaysFlat("1,000 generations and choices", 1000, () =>
                {
                    session.GenerateText(1, all);
                    session.Choose(new[] { "one", "two" });
                    session.Rewind("start");
                });
            }
        }
    }
}
