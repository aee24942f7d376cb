using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Portmap.Storm.Contestants;

namespace Portmap.Storm.Workers;

/// <summary>Which numbers a worker could not have, and when it failed to listen there.</summary>
/// <remarks>
/// The worker's log tells of a number once the daemon has given another one, and the lost one may
/// be anybody's by then. So the time is that of the exception, before the worker tells the daemon:
/// until then nothing has let go of the number.
/// </remarks>
internal sealed class LostPorts : ILogger
{
    private static long s_failedAt;

    private readonly List<string> _lost = [];

    static LostPorts() => AppDomain.CurrentDomain.FirstChanceException += (_, thrown) =>
    {
        if (thrown.Exception is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
        {
            Volatile.Write(ref s_failedAt, Stopwatch.GetTimestamp());
        }
    };

    /// <summary>What <see cref="ToString"/> wrote.</summary>
    /// <param name="text">PORT:TIME PORT:TIME…</param>
    /// <param name="from">When others could get at the first one.</param>
    public static IReadOnlyList<LostNumber> Parse(ReadOnlySpan<char> text, long from)
    {
        List<LostNumber> lost = [];
        foreach (string one in text.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int end = one.IndexOf(':', StringComparison.Ordinal);
            long until = long.Parse(one.AsSpan(end + 1), CultureInfo.InvariantCulture);
            lost.Add(new LostNumber(int.Parse(one.AsSpan(0, end), CultureInfo.InvariantCulture), from, until));
            from = until;
        }

        return lost;
    }

    public override string ToString() => string.Join(' ', _lost);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (eventId.Name == "BindHealed" && state is IReadOnlyList<KeyValuePair<string, object?>> values)
        {
            _lost.Add(string.Create(CultureInfo.InvariantCulture, $"{values.First(value => value.Key == "Port").Value}:{Volatile.Read(ref s_failedAt)}"));
        }
    }
}
