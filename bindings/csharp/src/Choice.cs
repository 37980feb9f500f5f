using System.Collections.Generic;

namespace Sipo
{
    /// <summary>What <see cref="Session.Choose"/> chose.</summary>
    public sealed class Choice
    {
        internal Choice(int index, float[] logProbabilities)
        {
            Index = index;
            LogProbabilities = logProbabilities;
        }

        /// <summary>Number of the text, which the session has read.</summary>
        public int Index { get; }

        /// <summary>Of each text as a whole, in nats.</summary>
        public IReadOnlyList<float> LogProbabilities { get; }
    }
}
