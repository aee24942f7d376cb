using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Portmap.TestKit;

/// <summary>Everything that was logged.</summary>
public class LogList : ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, EventId Id, string Text)> _lines = new();
    private readonly Channel<bool> _added = Channel.CreateUnbounded<bool>();

    /// <summary>All lines, in their order.</summary>
    public IReadOnlyCollection<(LogLevel Level, EventId Id, string Text)> Lines => _lines;

    /// <summary>Those from <see cref="LogLevel.Warning"/> on.</summary>
    public IEnumerable<(LogLevel Level, EventId Id, string Text)> Warnings => _lines.Where(line => line.Level >= LogLevel.Warning);

    /// <summary>The texts of one event.</summary>
    public IReadOnlyList<string> Of(string name) => [.. _lines.Where(line => line.Id.Name == name).Select(line => line.Text)];

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => true;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        ArgumentNullException.ThrowIfNull(formatter);
        _lines.Enqueue((logLevel, eventId, formatter(state, exception)));
        _added.Writer.TryWrite(true);
    }

    /// <summary>Waits until an event was logged a number of times. One waiter at a time.</summary>
    public async Task SeenAsync(string name, int times = 1)
    {
        while (_lines.Count(line => line.Id.Name == name) < times)
        {
            await _added.Reader.ReadAsync();
        }
    }
}
