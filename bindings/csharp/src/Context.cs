namespace Sipo
{
    /// <summary>How a session goes beyond the training length.</summary>
    public enum Context
    {
        /// <summary>The plain model.</summary>
        None = 0,
        /// <summary>Drops the tokens with the smallest delta (arXiv 2406.14528).</summary>
        DeciMamba = 100,
        /// <summary>Global channels skip unimportant tokens (arXiv 2504.16053).</summary>
        LongMamba = 110,
    }
}
