using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Guarding;

namespace Portmap.Operations;

/// <summary>What about a host and its options weakens the promises. Safe for any thread.</summary>
internal sealed class Findings(RegistryLog log)
{
    private ImmutableArray<PortFinding> _found = [];
    private bool _hasLogged;   // touched by passes only, one at a time

    /// <summary>All there is to say now. Takes some system calls.</summary>
    public IReadOnlyList<PortFinding> All(RegistryParts parts) =>
    [
        .. OfSettings(parts),
        .. parts.AsksTheKernel ? ServedFindings.Find(parts.Table.Owners().Select(owner => owner.Served).Where(served => !served.IsNone).Select(served => parts.Entries.Of(served)), new ListenersNow(parts.Settings.Host)) : [],
        .. OfNow(parts),
        .. _found,
    ];

    /// <summary>What is so now, and may be over soon.</summary>
    private static IEnumerable<PortFinding> OfNow(RegistryParts parts)
    {
        if (parts.Journal is { Failure: { } failure } journal)
        {
            yield return new PortFinding(
                PortFindingKind.StoreFailing,
                string.Create(CultureInfo.InvariantCulture, $"{journal.QueueLength} facts are not on disk: {failure.Message}"),
                parts.Settings.Durability == PortDurability.Confirmed ? "changes are confirmed when they are on disk" : $"changes are on their way to the disk within {parts.Settings.BackgroundFlush}",
                "Give the folder of the state room, or its rights back; the store is tried again with every pass.");
        }

        TimeSpan sinceLast = TimeSpan.FromMilliseconds(parts.NowMs - parts.LastPassMs), most = Overdue(parts.Settings.LivenessInterval);
        if (sinceLast > most && !parts.IsDisposed)
        {
            yield return new PortFinding(
                PortFindingKind.PassOverdue,
                string.Create(CultureInfo.InvariantCulture, $"the last pass ended {sinceLast.TotalSeconds:0} s ago"),
                string.Create(CultureInfo.InvariantCulture, $"one every {parts.Settings.LivenessInterval.TotalSeconds:0.###} s (LivenessInterval)"),
                "Look what keeps the timers of this process from running: threads of the pool that all block, or a pass that hangs in a store, a logger or a strategy of the host's own.");
        }
    }

    /// <summary>A pass may be late by a slow disk or a busy host.</summary>
    private static TimeSpan Overdue(TimeSpan interval) => 5 * interval + TimeSpan.FromSeconds(10);

    /// <summary>Adds what is found out later than at the start, such as what a store could not
    /// read. What was said in the same words is not said again.</summary>
    public void Add(PortFinding finding)
    {
        if (_found.Any(known => known.Kind == finding.Kind && known.Value == finding.Value))
        {
            return;
        }

        ImmutableInterlocked.Update(ref _found, static (findings, added) => findings.Add(added), finding);   // a CAS: publishes it to All
        log.Found(finding);
    }

    /// <summary>By the first pass, so that making a registry asks the kernel for nothing it does
    /// not need, and one that never comes up warns of nothing.</summary>
    public void LogOnce(RegistryParts parts)
    {
        if (!_hasLogged && log.Logger.IsEnabled(LogLevel.Warning))
        {
            _hasLogged = true;
            foreach (PortFinding finding in OfSettings(parts))
            {
                log.Found(finding);
            }
        }
    }

    private static IEnumerable<PortFinding> OfSettings(RegistryParts parts) => Diagnosis.Find(parts.Settings, parts.Guard, parts.Table.EstimatedOwners, port => IsUsed(parts, port));

    /// <summary>A cooling port is handed out when no other is left.</summary>
    private static bool IsUsed(RegistryParts parts, int port) =>
        IsUsed(parts, PortProtocol.Tcp, port) || (parts.Table.HasUdp && IsUsed(parts, PortProtocol.Udp, port));

    private static bool IsUsed(RegistryParts parts, PortProtocol protocol, int port) =>
        parts.Entries.TryFind(protocol, port, out PortEntry entry) && entry.State != PortState.Cooling;
}
