namespace Sipo
{
    /// <summary>How matrices are stored and multiplied.</summary>
    public enum Weights
    {
        /// <summary>F32 from an f32 checkpoint, else BF16.</summary>
        Automatic = 0,
        /// <summary>32-bit floats.</summary>
        F32 = 100,
        /// <summary>16-bit brain floats.</summary>
        BF16 = 110,
        /// <summary>8 bits and a scale for every 32.</summary>
        Q8 = 120,
        /// <summary>4 bits, a scale and an offset for every 32.</summary>
        Q4 = 130,
    }
}
