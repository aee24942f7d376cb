using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Portmap.Rpc.Tests;

/// <summary>Everything that was logged.</summary>
internal sealed class LogList : ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, EventId Id, string Text)> _lines = new();

    public IReadOnlyCollection<(LogLevel Level, EventId Id, string Text)> Lines => _lines;

    public IEnumerable<(LogLevel Level, EventId Id, string Text)> Warnings => _lines.Where(line => line.Level >= LogLevel.Warning);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue((logLevel, eventId, formatter(state, exception)));
}
