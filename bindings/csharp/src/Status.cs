namespace Sipo
{
    /// <summary>Kind of a <see cref="SipoException"/>. The numbers never change.</summary>
    public enum Status
    {
        /// <summary>A malformed name, arguments that contradict each other.</summary>
        InvalidArgument = 100,
        /// <summary>A number outside its legal range, NaN included.</summary>
        OutOfRange = 110,
        /// <summary>Not now: logits before a token, a session in use elsewhere.</summary>
        InvalidState = 120,
        /// <summary>A span is too small.</summary>
        BufferTooSmall = 130,
        /// <summary>The queue of a scheduler is full: try again later.</summary>
        Busy = 140,
        /// <summary>Nothing came within the time that was given.</summary>
        TimedOut = 150,
        /// <summary>No such file, calibration profile or token.</summary>
        NotFound = 200,
        /// <summary>The file system refused.</summary>
        IoError = 210,
        /// <summary>A file that is not what it should be.</summary>
        CorruptFile = 300,
        /// <summary>Well-formed, but not something this version runs.</summary>
        Unsupported = 310,
        /// <summary>Out of native memory.</summary>
        OutOfMemory = 400,
        /// <summary>The device or its driver failed.</summary>
        BackendError = 410,
        /// <summary>Ended by a callback or by <see cref="Session.Cancel"/>.</summary>
        Cancelled = 500,
        /// <summary>A defect of the library; please report it.</summary>
        Internal = 900,
    }
}
