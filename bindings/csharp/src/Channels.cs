namespace Sipo
{
    /// <summary>Which channels LongMamba filters; all but the first are the paper's ablations.</summary>
    public enum Channels
    {
        /// <summary>The global ones.</summary>
        Global = 0,
        /// <summary>Those that are not global.</summary>
        Local = 100,
        /// <summary>As many of a layer as are global.</summary>
        Random = 110,
    }
}
