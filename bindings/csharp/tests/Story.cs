using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Sipo.Tests
{
    /// <summary>What listeners of the tests throw.</summary>
    internal sealed class OwnException : Exception
    {
    }

    /// <summary>What the tests share. The environment says where things are.</summary>
    internal static class Story
    {
        public static readonly string ModelPath = Setting("SIPO_TEST_MODEL");
        public static readonly string Checkpoint = Setting("SIPO_TEST_CHECKPOINT");
        public static readonly string Text = File.ReadAllText(Setting("SIPO_TEST_TEXT")).Substring(0, 120000);
        public static readonly string Expected = File.ReadAllText(Setting("SIPO_TEST_TOKENS"));
        public static readonly string ExpectedAnalysis = File.ReadAllText(Setting("SIPO_TEST_ANALYSIS"));

        /// <summary>One model for all tests, which is what models are for.</summary>
        public static readonly Model Model = Model.Open(ModelPath);

        /// <summary>Never ends by itself.</summary>
        public static readonly SamplingOptions Endless = new SamplingOptions { IgnoreEndOfText = true };

        public static string Output(string name) => Path.Combine(Setting("SIPO_TEST_OUTPUT"), name);

        private static string Setting(string name)
        {
            return Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException(name + " is not set");
        }

        /// <summary>A session that has read something.</summary>
        public static Session Started(Model model, SessionOptions options = null)
        {
            options = options ?? new SessionOptions();
            options.Threads = 1;
            Session session = model.NewSession(options);
            session.Prefill(model.Tokenize("The old man looked at the sea and"));
            return session;
        }

        /// <summary>Works on so many numbers in eight threads.</summary>
        public static void InEightThreads(int count, Action<int> work)
        {
            int next = -1;
            Task[] threads = Enumerable.Range(0, 8).Select(thread => Task.Factory.StartNew(() =>
            {
                for (int i = Interlocked.Increment(ref next); i < count; i = Interlocked.Increment(ref next))
                {
                    work(i);
                }
            }, TaskCreationOptions.LongRunning)).ToArray();
            Task.WaitAll(threads);
        }

        /// <summary>The call fails with this status and a message.</summary>
        public static void Fails(Status status, TestDelegate call)
        {
            SipoException e = Assert.Throws<SipoException>(call);
            Assert.AreEqual(status, e.Status, e.Message);
            Assert.AreNotEqual("", e.Message);
        }

        /// <summary>Resident memory of this process in MiB.</summary>
        private static double ResidentMiB()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:"));
            return double.Parse(new string(line.Where(char.IsDigit).ToArray())) / 1024;
        }

        /// <summary>Memory after all times is less than 10 MiB above that after a quarter of them.</summary>
        public static void StaysFlat(string what, int times, Action work)
        {
            for (int i = 0; i < times / 4; ++i)
            {
                work();
            }
            double before = ResidentMiB();
            for (int i = times / 4; i < times; ++i)
            {
                work();
            }
            double grown = ResidentMiB() - before;
            Console.WriteLine("{0}: {1} times, memory grew by {2:F1} MiB", what, times, grown);
            Assert.IsTrue(grown < 10, what + " grew by " + grown + " MiB");
        }
    }
}
