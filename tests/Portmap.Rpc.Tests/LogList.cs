using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Portmap.Rpc.Tests;

/// <summary>Everything that was logged.</summary>
internal sealed class LogList : ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, EventId Id, string Text)> _lines = new();
    private readonly Channel<bool> _added = Channel.CreateUnbounded<bool>();

    public IReadOnlyCollection<(LogLevel Level, EventId Id, string Text)> Lines => _lines;

    public IEnumerable<(LogLevel Level, EventId Id, string Text)> Warnings => _lines.Where(line => line.Level >= LogLevel.Warning);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
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
