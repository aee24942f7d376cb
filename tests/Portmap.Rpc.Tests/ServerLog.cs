using Microsoft.Extensions.Logging;

namespace Portmap.Rpc.Tests;

/// <summary>A log as a server takes it, from a level on.</summary>
internal sealed class ServerLog(ILogger log, LogLevel least = LogLevel.Trace) : ILogger<PortmapServer>
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => log.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => logLevel >= least && log.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        log.Log(logLevel, eventId, state, exception, formatter);
}
