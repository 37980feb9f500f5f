using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using Sipo;

/// <summary>As overhead.c.</summary>
internal static class Overhead
{
    private static void Main(string[] args)
    {
        string text = File.ReadAllText(args[1]).Substring(0, 100000);
        double prefill = 1e9;
        double stream = 1e9;
        SamplingOptions sampling = new SamplingOptions { IgnoreEndOfText = true };
        using (Model model = Model.Open(args[0]))
        using (Session session = model.NewSession())
        {
            int[] ids = model.Tokenize(text).Take(16384).ToArray();
            long length = 0;
            for (int round = 0; round < 4; ++round)
            {
                session.Reset();
                Stopwatch watch = Stopwatch.StartNew();
                session.Prefill(ids);
                double middle = watch.Elapsed.TotalSeconds;
                session.Generate(1000, token =>
                {
                    length += token.Text.Length;
                    return true;
                }, sampling);
                double end = watch.Elapsed.TotalSeconds;
                if (round > 0)
                {
                    prefill = Math.Min(prefill, middle);
                    stream = Math.Min(stream, end - middle);
                }
            }
        }
        Console.WriteLine(string.Format(CultureInfo.InvariantCulture, "{0:F6} {1:F6}", prefill, stream));
    }
}
