using System;

namespace Sipo
{
    /// <summary>A call of the library that failed; the message is its one line about what was wrong with which
    /// value.</summary>
    public sealed class SipoException : Exception
    {
        internal SipoException(Status status, string message) : base(message)
        {
            Status = status;
        }

        /// <summary>What kind of failure it is.</summary>
        public Status Status { get; }
    }
}
