namespace Sipo
{
    /// <summary>The hidden attention of one channel (arXiv 2403.01590).</summary>
    public sealed class AttentionMap
    {
        internal AttentionMap(MapChannel channel, float[,] attention)
        {
            Channel = channel;
            Attention = attention;
        }

        /// <summary>Whose it is.</summary>
        public MapChannel Channel { get; }

        /// <summary>[size, size]: row r is that of the last token before <see cref="Analysis.MapPlaces"/>[r], summed over
        /// the tokens from the place before to each place.</summary>
        public float[,] Attention { get; }
    }
}
