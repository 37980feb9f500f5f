namespace Sipo
{
    /// <summary>Why a generation ended. The numbers never change.</summary>
    public enum Finish
    {
        /// <summary>It has not.</summary>
        None = 0,
        /// <summary>The model said so.</summary>
        EndOfText = 100,
        /// <summary>One of <see cref="SamplingOptions.Stop"/>.</summary>
        StopSequence = 110,
        /// <summary>As many tokens as were asked for.</summary>
        TokenLimit = 120,
        /// <summary>By a listener, a cancel or a dispose.</summary>
        Cancelled = 130,
        /// <summary>With an exception.</summary>
        Failed = 140,
    }
}
