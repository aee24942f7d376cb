using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    private readonly ServedAddresses _served = new();
    private ImmutableArray<PortFinding> _findings = [];
    private bool _hasLoggedFindings;   // touched by passes only, one at a time

    /// <summary>Says what about this host and these options weakens the promises: with numbers, and the exact remedy.</summary>
    /// <returns>The findings of now; empty when there is nothing to say. The same are logged once, within a second of the start. What the kernel's settings say is what they
    /// said when the registry was made.</returns>
    /// <remarks>Takes some system calls; not meant for a hot path.</remarks>
    public IReadOnlyList<PortFinding> Diagnose() =>
    [
        .. Diagnosis.Find(Settings, _guard, _table.Index.EstimatedCount),
        .. AsksTheKernel ? ServedFindings.Find(_table.Index.Cells().Select(cell => cell.Served()).OfType<PortClaim>().Select(claim => EntryOf(claim))) : [],
        .. _findings,
    ];

    private bool AsksTheKernel => Settings.Probe && OperatingSystem.IsLinux();

    /// <summary>Notes which addresses new registrations serve, and tells of those whose port somebody else listens on too.</summary>
    private void ReviewServed(List<PortClaim>? registrations)
    {
        if (registrations is null)
        {
            return;
        }

        ListenersNow now = new();
        foreach (PortClaim claim in registrations)
        {
            IReadOnlyList<PortSocket>? listeners = now.On(claim.Protocol, claim.Port);
            claim.Served = _served.NumberOf(listeners, claim.Served);
            if (listeners is { Count: > 1 } && ServedFindings.Shared(EntryOf(claim), listeners) is { } shared)
            {
                _log.Found(shared);
            }
        }
    }

    /// <summary>Notes what servers have opened or closed since they were looked at.</summary>
    private void RefreshServed()
    {
        if (!AsksTheKernel)
        {
            return;
        }

        ListenersNow now = new();
        foreach (PortClaim claim in _table.Index.Cells().Select(cell => cell.Served()).OfType<PortClaim>().Where(claim => claim.Served != ServedAddresses.NotLookedAt))
        {
            claim.Served = _served.NumberOf(now.On(claim.Protocol, claim.Port), claim.Served);
        }
    }

    /// <summary>Adds what is found out later than at the start, such as what a store could not read. What was said in the same words is not said again.</summary>
    internal void AddFinding(PortFinding finding)
    {
        if (_findings.Any(known => known.Kind == finding.Kind && known.Value == finding.Value))
        {
            return;
        }

        ImmutableInterlocked.Update(ref _findings, static (findings, added) => findings.Add(added), finding);   // a CAS: publishes it to Diagnose
        _log.Found(finding);
    }

    /// <summary>By the first pass, so that making a registry asks the kernel for nothing it does not need, and one that never comes up warns of nothing.</summary>
    private void LogFindingsOnce()
    {
        if (!_hasLoggedFindings && _log.Logger.IsEnabled(LogLevel.Warning))
        {
            _hasLoggedFindings = true;
            foreach (PortFinding finding in Diagnosis.Find(Settings, _guard, _table.Index.EstimatedCount))
            {
                _log.Found(finding);
            }
        }
    }
}
