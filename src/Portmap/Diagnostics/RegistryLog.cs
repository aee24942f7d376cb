using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Portmap.Diagnostics;

/// <summary>What the registry tells the host's logger.</summary>
/// <remarks>
/// Names are printable, lines are limited by owner and kind, and no exception comes back. Called
/// once what it tells is done. Progress: lock-free but for the host's logger.
/// </remarks>
/// <param name="logger">The host's logger, or null.</param>
/// <param name="nowMs">The time in milliseconds.</param>
/// <param name="delays">The times that some lines name.</param>
internal sealed partial class RegistryLog(ILogger? logger, Func<long> nowMs, RegistryLog.Delays delays)
{
    private readonly LineLimit _limit = new();

    /// <summary>The host's logger, contained.</summary>
    public ILogger Logger { get; } = ContainedLogger.Of(logger);

    /// <summary>
    /// Whether an end of this kind is told to everybody: what somebody asked for is told only where
    /// <see cref="TellsChanges"/>.
    /// </summary>
    public static bool Tells(PortChangeKind kind) => kind is not (PortChangeKind.Released or PortChangeKind.Replaced);

    /// <summary>Tells that a lease or a registration has ended.</summary>
    /// <param name="kind">How it ended.</param>
    /// <param name="ended">The entry it was.</param>
    /// <param name="timeout">How long a lease waits for its process.</param>
    public void Ended(PortChangeKind kind, in PortEntry ended, TimeSpan timeout)
    {
        if (!Tells(kind))
        {
            GaveWay(kind, ended);
            return;
        }

        LogLevel level = kind == PortChangeKind.Died ? LogLevel.Information : LogLevel.Warning;
        if (!Passes(kind.ToString(), ended.Owner, level))
        {
            return;
        }

        string owner = Printable.Of(ended.Owner);
        PortProtocol protocol = ended.Protocol;
        int port = ended.Port, processId = ended.ProcessId ?? 0;
        long epoch = ended.Epoch ?? 0;
        switch (kind)
        {
            case PortChangeKind.Died:
                PortmapLog.Died(Logger, owner, protocol, port, processId);
                break;
            case PortChangeKind.Disconnected:
                PortmapLog.Disconnected(Logger, owner, protocol, port, processId, delays.Grace);
                break;
            case PortChangeKind.Expired:
                PortmapLog.Expired(Logger, owner, protocol, port, epoch, timeout);
                break;
            case PortChangeKind.Taken:
                PortmapLog.Taken(Logger, owner, protocol, port, epoch);
                break;
            case PortChangeKind.StoppedListening:
                PortmapLog.StoppedListening(Logger, owner, protocol, port, processId);
                break;
            case PortChangeKind.BindFailed:
                PortmapLog.BindFailed(Logger, owner, protocol, port, epoch);
                break;
        }
    }

    /// <summary>
    /// Tells that another process of a program goes on with what was registered for it.
    /// </summary>
    /// <param name="entry">The entry, which names the process that goes on.</param>
    /// <param name="from">The process that listens no more.</param>
    public void PassedOn(in PortEntry entry, int from)
    {
        if (Passes(nameof(PortmapLog.PassedOn), entry.Owner, LogLevel.Information))
        {
            string owner = Printable.Of(entry.Owner);
            PortmapLog.PassedOn(Logger, owner, entry.Protocol, entry.Port, from, entry.ProcessId ?? 0);
        }
    }

    /// <summary>Tells that a process did not bind where its lease wants it to.</summary>
    public void RegisteredOutside(in PortEntry entry, string ports)
    {
        if (Passes(nameof(PortmapLog.RegisteredOutside), entry.Owner, LogLevel.Warning))
        {
            string owner = Printable.Of(entry.Owner);
            PortmapLog.RegisteredOutside(Logger, owner, entry.Protocol, entry.Port, ports, entry.ProcessId ?? 0);
        }
    }

    /// <summary>Tells that a process listens on a number that is kept for another owner.</summary>
    public void RegisteredKept(in PortEntry entry, string kept)
    {
        if (Passes(nameof(PortmapLog.RegisteredKept), entry.Owner, LogLevel.Warning))
        {
            string owner = Printable.Of(entry.Owner), other = Printable.Of(kept);
            PortmapLog.RegisteredKept(Logger, owner, entry.Protocol, entry.Port, other, entry.ProcessId ?? 0);
        }
    }

    public void FoundForeign(PortProtocol protocol, int port)
    {
        if (Passes(nameof(PortmapLog.FoundForeign), Place(protocol, port), LogLevel.Warning))
        {
            PortmapLog.FoundForeign(Logger, protocol, port, delays.ForeignRecheck);
        }
    }

    /// <summary>Names the process outside the registry that has a port.</summary>
    public void ForeignHolder(PortProtocol protocol, int port, int processId, string command)
    {
        if (Passes(nameof(PortmapLog.ForeignHolder), Place(protocol, port), LogLevel.Warning))
        {
            PortmapLog.ForeignHolder(Logger, protocol, port, processId, Printable.Of(command));
        }
    }

    /// <summary>Tells of a port that several programs listen on.</summary>
    public void FoundShared(PortProtocol protocol, int port, PortFinding finding)
    {
        if (Passes(nameof(PortFindingKind.PortShared), Place(protocol, port), LogLevel.Warning))
        {
            Found(finding);
        }
    }

    public void Found(PortFinding finding)
    {
        string value = Printable.Of(finding.Value), expected = Printable.Of(finding.Expected);
        if (finding.IsNote)
        {
            PortmapLog.Noted(Logger, finding.Kind, value, expected);
        }
        else
        {
            PortmapLog.Found(Logger, finding.Kind, value, expected, Printable.Of(finding.Remedy));
        }
    }

    public void PassFailed(Exception exception)
    {
        if (Passes(nameof(PortmapLog.PassFailed), exception.GetType().Name, LogLevel.Error))
        {
            PortmapLog.PassFailed(Logger, exception);
        }
    }

    /// <summary>Says what was left out, once no such line came for a while.</summary>
    /// <remarks>Called by the passes.</remarks>
    public void TellLeftOut() => _limit.TellLeftOut(nowMs(), LeftOut);

    private static string Place(PortProtocol protocol, int port) =>
        string.Create(CultureInfo.InvariantCulture, $"{port}/{protocol}");

    private bool Passes(string kind, string subject, LogLevel level)
    {
        if (!Logger.IsEnabled(level) || !_limit.Passes(kind, subject, nowMs(), out long leftOut))
        {
            return false;
        }

        if (leftOut > 0)
        {
            LeftOut(kind, subject, leftOut);
        }

        return true;
    }

    private void LeftOut(string kind, string? subject, long count) =>
        PortmapLog.LinesLeftOut(Logger, count, kind, subject is null ? "others" : Printable.Of(subject));

    /// <summary>The times that some lines name, as the options set them.</summary>
    /// <param name="Grace">How long a process without a connection is served.</param>
    /// <param name="ForeignRecheck">How long a stranger's port is left alone.</param>
    internal readonly record struct Delays(TimeSpan Grace, TimeSpan ForeignRecheck);
}
