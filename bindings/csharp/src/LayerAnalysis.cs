namespace Sipo
{
    /// <summary>What the channels of one layer remember; see <see cref="Analysis"/>. Delta is after
    /// softplus.</summary>
    public sealed class LayerAnalysis
    {
        internal LayerAnalysis()
        {
        }

        /// <summary>Tokens that the layer's scan visits.</summary>
        public long Tokens { get; internal set; }

        /// <summary>[channels]: whether the cumulative decay over the training length exceeds the session's
        /// global-channel threshold.</summary>
        public bool[] Global { get; internal set; }

        /// <summary>[channels, points]: ln of the cumulative decay through the tokens before each place, with delta as
        /// the method leaves it.</summary>
        public float[,] LogDecay { get; internal set; }

        /// <summary>[channels]: mean distance in tokens that the last token's hidden attention looks back, with delta as
        /// the method leaves it.</summary>
        public float[] ReceptiveField { get; internal set; }

        /// <summary>[channels]: mean delta, before the method.</summary>
        public float[] DeltaMean { get; internal set; }

        /// <summary>[channels]: share of the tokens whose delta the method sets to 0.</summary>
        public float[] DeltaSkipped { get; internal set; }

        /// <summary>[points]: norm of delta over the channels, DeciMamba's score, before the method; mean over the tokens
        /// from the place before to each place, 0 where none is left.</summary>
        public float[] DeltaNorm { get; internal set; }

        /// <summary>[bins]: histogram of the delta of local channels.</summary>
        public long[] LocalSteps { get; internal set; }

        /// <summary>[bins]: of global channels.</summary>
        public long[] GlobalSteps { get; internal set; }
    }
}
