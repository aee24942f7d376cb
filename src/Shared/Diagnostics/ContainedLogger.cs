using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Portmap.Diagnostics;

/// <summary>The host's logger, whose exceptions end here.</summary>
/// <remarks>What is logged has happened, and whoever logs goes on.</remarks>
internal sealed class ContainedLogger : ILogger
{
    private readonly ILogger _logger;

    private ContainedLogger(ILogger logger) => _logger = logger;

    public static ILogger Of(ILogger? logger) =>
        logger is null or NullLogger or ContainedLogger
            ? logger ?? NullLogger.Instance
            : new ContainedLogger(logger);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;   // nothing here opens one

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return _logger.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;   // nothing is left to tell it to
        }
    }

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        try
        {
            _logger.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // As above.
        }
    }
}
