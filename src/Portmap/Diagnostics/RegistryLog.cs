using System.Globalization;
using Microsoft.Extensions.Logging;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Diagnostics;

/// <summary>What the registry tells the host's logger: names are printable, lines are limited by owner and kind, and no exception comes back.</summary>
/// <remarks>Called once what it tells is done. Progress: lock-free but for the host's logger.</remarks>
internal sealed class RegistryLog(ILogger? logger, RegistryClock clock)
{
    private readonly LineLimit _limit = new();

    /// <summary>The host's logger, contained.</summary>
    public ILogger Logger { get; } = ContainedLogger.Of(logger);

    public void Ended(PortClaim claim, PortChangeKind kind, PortRegistrySettings settings)
    {
        if (kind is PortChangeKind.Released or PortChangeKind.Replaced)
        {
            return;
        }

        string owner = claim.Cell!.Owner;
        if (!Passes(kind.ToString(), owner, kind == PortChangeKind.Died ? LogLevel.Information : LogLevel.Warning))
        {
            return;
        }

        owner = Printable.Of(owner);
        int processId = claim.Session?.ProcessId ?? 0;
        switch (kind)
        {
            case PortChangeKind.Died:
                PortmapLog.Died(Logger, owner, claim.Protocol, claim.Port, processId);
                break;
            case PortChangeKind.Disconnected:
                PortmapLog.Disconnected(Logger, owner, claim.Protocol, claim.Port, processId, settings.DisconnectGrace);
                break;
            case PortChangeKind.Expired:
                PortmapLog.Expired(Logger, owner, claim.Protocol, claim.Port, claim.Epoch, settings.LeaseTimeout);
                break;
            case PortChangeKind.Taken:
                PortmapLog.Taken(Logger, owner, claim.Protocol, claim.Port, claim.Epoch);
                break;
            case PortChangeKind.StoppedListening:
                PortmapLog.StoppedListening(Logger, owner, claim.Protocol, claim.Port, processId);
                break;
            case PortChangeKind.BindFailed:
                PortmapLog.BindFailed(Logger, owner, claim.Protocol, claim.Port, claim.Epoch);
                break;
        }
    }

    public void PassedOn(PortClaim claim, int from, int to)
    {
        string owner = claim.Cell!.Owner;
        if (Passes(nameof(PortmapLog.PassedOn), owner, LogLevel.Information))
        {
            PortmapLog.PassedOn(Logger, Printable.Of(owner), claim.Protocol, claim.Port, from, to);
        }
    }

    public void FoundForeign(PortProtocol protocol, int port, TimeSpan recheck)
    {
        if (Passes(nameof(PortmapLog.FoundForeign), Place(protocol, port), LogLevel.Warning))
        {
            PortmapLog.FoundForeign(Logger, protocol, port, recheck);
        }
    }

    public void ForeignHolder(PortProtocol protocol, int port, ForeignHolder holder)
    {
        if (Passes(nameof(PortmapLog.ForeignHolder), Place(protocol, port), LogLevel.Warning))
        {
            PortmapLog.ForeignHolder(Logger, protocol, port, holder.ProcessId, Printable.Of(holder.Command));
        }
    }

    public void Found(PortFinding finding) =>
        PortmapLog.Found(Logger, finding.Kind, Printable.Of(finding.Value), Printable.Of(finding.Expected), Printable.Of(finding.Remedy));

    public void PassFailed(Exception exception)
    {
        if (Passes(nameof(PortmapLog.PassFailed), exception.GetType().Name, LogLevel.Error))
        {
            PortmapLog.PassFailed(Logger, exception);
        }
    }

    /// <summary>Says what was left out, once no such line came for a while. Called by the passes.</summary>
    public void TellLeftOut() => _limit.TellLeftOut(clock.NowMs, LeftOut);

    private static string Place(PortProtocol protocol, int port) => string.Create(CultureInfo.InvariantCulture, $"{port}/{protocol}");

    private bool Passes(string kind, string subject, LogLevel level)
    {
        if (!Logger.IsEnabled(level) || !_limit.Passes(kind, subject, clock.NowMs, out long leftOut))
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
}
