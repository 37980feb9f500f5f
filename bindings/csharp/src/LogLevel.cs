namespace Sipo
{
    /// <summary>Weight of a log line.</summary>
    public enum LogLevel
    {
        /// <summary>Something failed.</summary>
        Error = 1,
        /// <summary>Something is not as it should be.</summary>
        Warning = 2,
        /// <summary>Good to know.</summary>
        Information = 3,
    }
}
