namespace Sipo
{
    /// <summary>Facts about a <see cref="Scheduler"/> since it was made.</summary>
    public sealed class SchedulerStatistics
    {
        // In the order of sipo.i.
        internal SchedulerStatistics(double[] values)
        {
            Waiting = (long)values[0];
            Reading = (long)values[1];
            Decoding = (long)values[2];
            Submitted = (long)values[3];
            Refused = (long)values[4];
            Finished = (long)values[5];
            Cancelled = (long)values[6];
            Failed = (long)values[7];
            PromptTokens = (long)values[8];
            ReusedTokens = (long)values[9];
            GeneratedTokens = (long)values[10];
            BusySeconds = values[11];
        }

        /// <summary>Requests in the queue now.</summary>
        public long Waiting { get; }

        /// <summary>Requests whose prompt is being read now.</summary>
        public long Reading { get; }

        /// <summary>Requests that generate now.</summary>
        public long Decoding { get; }

        /// <summary>Requests.</summary>
        public long Submitted { get; }

        /// <summary>Requests, for a full queue.</summary>
        public long Refused { get; }

        /// <summary>Requests.</summary>
        public long Finished { get; }

        /// <summary>Requests.</summary>
        public long Cancelled { get; }

        /// <summary>Requests.</summary>
        public long Failed { get; }

        /// <summary>Computed.</summary>
        public long PromptTokens { get; }

        /// <summary>Of prompts, from the cache.</summary>
        public long ReusedTokens { get; }

        /// <summary>Of all requests.</summary>
        public long GeneratedTokens { get; }

        /// <summary>Of its thread.</summary>
        public double BusySeconds { get; }
    }
}
