namespace Sipo
{
    /// <summary>Facts about the last prompt and the last generation of a <see cref="Session"/>.</summary>
    public sealed class SessionStatistics
    {
        // In the order of sipo.i.
        internal SessionStatistics(double[] values)
        {
            PromptTokens = (long)values[0];
            ReusedTokens = (long)values[1];
            PrefillSeconds = values[2];
            FirstTokenSeconds = values[3];
            GeneratedTokens = (long)values[4];
            GenerationSeconds = values[5];
            Finish = (Finish)values[6];
        }

        /// <summary>Of the prompt.</summary>
        public long PromptTokens { get; }

        /// <summary>Of those, from a cache.</summary>
        public long ReusedTokens { get; }

        /// <summary>For the prompt.</summary>
        public double PrefillSeconds { get; }

        /// <summary>From the start of the prompt to the first token.</summary>
        public double FirstTokenSeconds { get; }

        /// <summary>Of the generation.</summary>
        public long GeneratedTokens { get; }

        /// <summary>For those.</summary>
        public double GenerationSeconds { get; }

        /// <summary>Why it ended.</summary>
        public Finish Finish { get; }
    }
}
