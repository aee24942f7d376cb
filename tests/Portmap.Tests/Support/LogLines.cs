using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Portmap.Tests.Support;

/// <summary>What a registry logged.</summary>
internal sealed class LogLines : ILogger<PortRegistry>
{
    private readonly ConcurrentQueue<(LogLevel Level, EventId Id, string Text)> _lines = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue((logLevel, eventId, formatter(state, exception)));

    /// <summary>The texts of one event.</summary>
    public IReadOnlyList<string> Of(string name) => [.. _lines.Where(line => line.Id.Name == name).Select(line => line.Text)];
}
