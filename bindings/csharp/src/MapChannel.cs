namespace Sipo
{
    /// <summary>A channel whose attention <see cref="Model.Analyze"/> maps.</summary>
    public struct MapChannel
    {
        /// <summary>Channel <paramref name="channel"/>, 0 to <see cref="Model.DeltaChannels"/> - 1, of layer
        /// <paramref name="layer"/>, 0 to <see cref="Model.Layers"/> - 1.</summary>
        public MapChannel(int layer, int channel)
        {
            Layer = layer;
            Channel = channel;
        }

        /// <summary>Number of the layer.</summary>
        public int Layer { get; }

        /// <summary>Number of the channel in it.</summary>
        public int Channel { get; }
    }
}
