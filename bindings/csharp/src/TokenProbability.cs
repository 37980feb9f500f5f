namespace Sipo
{
    /// <summary>A token and how likely it was at its place.</summary>
    public struct TokenProbability
    {
        internal TokenProbability(int id, float logProbability)
        {
            Id = id;
            LogProbability = logProbability;
        }

        /// <summary>Its id.</summary>
        public int Id { get; }

        /// <summary>In nats.</summary>
        public float LogProbability { get; }
    }
}
