namespace Sipo
{
    /// <summary>Facts about a <see cref="Request"/> so far.</summary>
    public sealed class RequestStatistics
    {
        // In the order of sipo.i.
        internal RequestStatistics(double[] values)
        {
            PromptTokens = (long)values[0];
            PromptDone = (long)values[1];
            ReusedTokens = (long)values[2];
            QueuedSeconds = values[3];
            FirstTokenSeconds = values[4];
            GeneratedTokens = (long)values[5];
            GenerationSeconds = values[6];
            LongestWaitSeconds = values[7];
            Finish = (Finish)values[8];
        }

        /// <summary>Of the prompt.</summary>
        public long PromptTokens { get; }

        /// <summary>Of those, reused ones included.</summary>
        public long PromptDone { get; }

        /// <summary>Of those, from a cache.</summary>
        public long ReusedTokens { get; }

        /// <summary>In the queue.</summary>
        public double QueuedSeconds { get; }

        /// <summary>From submitting to the first token.</summary>
        public double FirstTokenSeconds { get; }

        /// <summary>So far.</summary>
        public long GeneratedTokens { get; }

        /// <summary>From the first token to the last.</summary>
        public double GenerationSeconds { get; }

        /// <summary>Between two tokens.</summary>
        public double LongestWaitSeconds { get; }

        /// <summary>Why it ended; None while it has not.</summary>
        public Finish Finish { get; }
    }
}
