using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>Reading, scoring, generating.</summary>
    [TestFixture]
    public class SessionTest
    {
        private static readonly Model model = Story.Model;

        private static string Tokens(Context context, bool seeded, int[] ids)
        {
            SamplingOptions sampling = new SamplingOptions { IgnoreEndOfText = true };
            if (seeded)
            {
                sampling = new SamplingOptions
                {
                    IgnoreEndOfText = true,
                    Temperature = 0.8,
                    TopK = 50,
                    TopP = 0.95,
                    MinP = 0.001,
                    RepetitionPenalty = 1.1,
                    RepetitionWindow = 32,
                    Seed = 7,
                };
            }
            StringBuilder line = new StringBuilder();
            using (Session session = model.NewSession(new SessionOptions { Context = context, DecimationCapacity = 500 }))
            {
                session.Prefill(ids);
                session.Generate(48, token => line.Append(token.Id).Append(' ') != null, sampling);
            }
            return line.Append('\n').ToString();
        }

        [Test]
        public void GivesTheTokensOfC()
        {
            int[] ids = model.Tokenize(Story.Text.Substring(0, 8000));
            string all = "";
            foreach (Context context in new[] { Context.None, Context.DeciMamba, Context.LongMamba })
            {
                all += Tokens(context, false, ids) + Tokens(context, true, ids);
            }
            Assert.AreEqual(Story.Expected, all);
        }

        [Test]
        public void ReadsAndScores()
        {
            int[] ids = model.Tokenize(Story.Text).Take(48).ToArray();
            using (Session session = model.NewSession(new SessionOptions { ChunkTokens = 7 }))
            {
                Assert.IsTrue(session.BackendName.Contains("cpu"));
                float[] rows = session.PrefillLogits(ids, 3);
                Assert.AreEqual(3 * 4096, rows.Length);
                float[] last = rows.Skip(2 * 4096).ToArray();
                Assert.AreEqual(last.Max(), last[session.Likeliest()]);
                Assert.AreEqual(last, session.Logits());
                float[] into = new float[5000];
                Assert.AreEqual(4096, session.CopyLogits(new Span<float>(into, 100, 4900)));
                Assert.AreEqual(last, into.Skip(100).Take(4096).ToArray());
                Story.Fails(Status.BufferTooSmall, () => session.CopyLogits(new float[5]));
                Story.Fails(Status.BufferTooSmall, () => session.CopyLogits(new float[0]));
                Assert.AreEqual(48, session.KeptTokens().Length);
                session.Decode(5);
                Assert.AreEqual(48, session.Score(ids, 48).Length);
                Assert.AreEqual(97, session.Position);
                session.Reset();
                Assert.AreEqual(0, session.Position);
                Assert.AreEqual(47, session.Score(ids, 47).Length);
                session.Reset();
                session.Prefill(new ReadOnlySpan<int>(ids, 5, 40));
                Assert.AreEqual(40, session.Position);
            }
        }

        [Test]
        public void DecodesTogetherAsAlone()
        {
            using (Session one = Story.Started(model))
            using (Session two = Story.Started(model))
            using (Session alone = Story.Started(model))
            {
                two.Decode(9);
                Session.DecodeTogether(new[] { one, two }, new[] { 7, 8 });
                alone.Decode(7);
                Assert.AreEqual(alone.Logits(), one.Logits());
                Assert.AreEqual(one.Position + 1, two.Position);
                Story.Fails(Status.InvalidState, () => Session.DecodeTogether(new[] { one, one }, new[] { 1, 1 }));
            }
        }

        [Test]
        public void Streams()
        {
            SamplingOptions wild = new SamplingOptions { Temperature = 100, IgnoreEndOfText = true, Seed = 3 };
            using (Session session = Story.Started(model))
            using (Session listened = Story.Started(model))
            using (Session awaited = Story.Started(model))
            {
                List<Token> all = session.Tokens(200, wild).ToList();
                StringBuilder text = new StringBuilder();
                List<int> ids = new List<int>();
                long count = listened.Generate(200, token =>
                {
                    ids.Add(token.Id);
                    text.Append(token.Text);
                    return true;
                }, wild);
                Assert.AreEqual(200, count);
                Assert.AreEqual(ids, all.Select(token => token.Id).ToList());
                Assert.AreEqual(text.ToString(), string.Concat(all.Select(token => token.Text)));
                Assert.AreEqual(text.ToString(), ReadAll(awaited.TokensAsync(200, wild)).Result);
            }
        }

        /// <summary>What <c>await foreach</c> does.</summary>
        private static async Task<string> ReadAll(IAsyncEnumerable<Token> tokens)
        {
            StringBuilder text = new StringBuilder();
            IAsyncEnumerator<Token> reader = tokens.GetAsyncEnumerator();
            while (await reader.MoveNextAsync())
            {
                text.Append(reader.Current.Text);
            }
            await reader.DisposeAsync();
            return text.ToString();
        }

        [Test]
        public void EndsAStreamThatIsLeft()
        {
            using (Session session = Story.Started(model))
            {
                long before = session.Position;
                Assert.AreEqual(5, session.Tokens(1L << 40, Story.Endless).Take(5).Count());
                long ahead = session.Position - before;
                Assert.IsTrue(ahead >= 5 && ahead < 5 + 40, "read ahead by " + ahead);
                session.Tokens(10, Story.Endless).GetEnumerator().Dispose();
                Assert.AreEqual(before + ahead, session.Position);
                Story.Fails(Status.OutOfRange, () => session.Tokens(10, new SamplingOptions { TopK = -1 }).Count());
            }
        }

        [Test]
        public void StopsWhenTheListenerHasEnough()
        {
            using (Session session = Story.Started(model))
            {
                int left = 3;
                Assert.AreEqual(3, session.Generate(100, token => --left > 0, Story.Endless));
                Assert.AreNotEqual("", session.GenerateText(4, Story.Endless));
            }
        }

        [Test]
        public void ServesEightThreadsFromOneModel()
        {
            int[] ids = model.Tokenize(Story.Text.Substring(0, 2000));
            Func<string> answer = () =>
            {
                using (Session session = model.NewSession(new SessionOptions { Threads = 1 }))
                {
                    session.Prefill(ids);
                    return session.GenerateText(20, Story.Endless);
                }
            };
            string expected = answer();
            Task<string>[] tasks = Enumerable.Range(0, 8)
                .Select(i => Task.Factory.StartNew(answer, TaskCreationOptions.LongRunning)).ToArray();
            foreach (Task<string> task in tasks)
            {
                Assert.AreEqual(expected, task.Result);
            }
        }
    }
}
