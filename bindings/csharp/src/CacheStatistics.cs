namespace Sipo
{
    /// <summary>Facts about a <see cref="Cache"/> since it was made.</summary>
    public sealed class CacheStatistics
    {
        // In the order of sipo.i.
        internal CacheStatistics(double[] values)
        {
            Prompts = (long)values[0];
            PromptsReusing = (long)values[1];
            TokensReused = (long)values[2];
            TokensComputed = (long)values[3];
            TokensInexact = (long)values[4];
            Entries = (long)values[5];
            Bytes = (long)values[6];
            DirectoryBytes = (long)values[7];
            Evictions = (long)values[8];
            Damaged = (long)values[9];
            WriteFailures = (long)values[10];
        }

        /// <summary>Prompts that were read with its help.</summary>
        public long Prompts { get; }

        /// <summary>Those of them that found something.</summary>
        public long PromptsReusing { get; }

        /// <summary>Tokens that were not read again.</summary>
        public long TokensReused { get; }

        /// <summary>Tokens that were read.</summary>
        public long TokensComputed { get; }

        /// <summary>Tokens read before, but not exact for the prompt, so read again.</summary>
        public long TokensInexact { get; }

        /// <summary>In memory now.</summary>
        public long Entries { get; }

        /// <summary>Of those.</summary>
        public long Bytes { get; }

        /// <summary>In the directory now, of all processes and models.</summary>
        public long DirectoryBytes { get; }

        /// <summary>Entries that made room for others.</summary>
        public long Evictions { get; }

        /// <summary>Entries found damaged and removed.</summary>
        public long Damaged { get; }

        /// <summary>Entries that could not be written.</summary>
        public long WriteFailures { get; }
    }
}
