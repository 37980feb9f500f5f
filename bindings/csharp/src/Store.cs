namespace Sipo
{
    /// <summary>How tensors lie in a .sipo file.</summary>
    public enum Store
    {
        /// <summary>Compressed: smaller.</summary>
        Zstd = 100,
        /// <summary>As they are: larger, loads a little faster.</summary>
        Raw = 110,
    }
}
