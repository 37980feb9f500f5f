using System.Collections.Generic;

namespace Sipo
{
    /// <summary>Hears of long work, on the thread that does it: <paramref name="done"/> of
    /// <paramref name="total"/> units. A result of false ends the call with
    /// <see cref="Status.Cancelled"/>.</summary>
    public delegate bool ProgressListener(long done, long total);

    /// <summary>Gets a generated token, on the thread that generates. A result of false ends the generation
    /// after this token, without an exception.</summary>
    public delegate bool TokenListener(Token token);

    /// <summary>Gets the log probability of a token and of the likeliest ones of its place, likeliest first, on the
    /// thread that generates, before the token itself is told. A result of false ends the generation with
    /// <see cref="Status.Cancelled"/>.</summary>
    public delegate bool LogProbabilitiesListener(TokenProbability token, IReadOnlyList<TokenProbability> likeliest);

    /// <summary>Gets the log lines of a model and its sessions, possibly from several threads at once.</summary>
    public delegate void LogListener(LogLevel level, string line);
}
