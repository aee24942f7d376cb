using Microsoft.Extensions.Logging;

namespace Portmap.Storm.Workers;

/// <summary>Counts how often a worker reports that its port was taken and is given another
/// one.</summary>
internal sealed class HealCounter : ILogger
{
    public int Count { get; private set; }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Count += eventId.Name == "BindHealed" ? 1 : 0;
}
