using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Guarding;

namespace Portmap;

public sealed partial class PortRegistry
{
    private readonly ConcurrentQueue<PortFinding> _findings = new();

    /// <summary>Says what about this host and these options weakens the promises: with numbers, and the exact remedy.</summary>
    /// <returns>The findings of now; empty when there is nothing to say. The same were logged once at the start. What the kernel's settings say is what they
    /// said when the registry was made.</returns>
    /// <remarks>Takes some system calls; not meant for a hot path.</remarks>
    public IReadOnlyList<PortFinding> Diagnose() => [.. Diagnosis.Find(Settings, _guard, _table.Index.EstimatedCount), .. _findings];

    /// <summary>Adds what is found out later than at the start, such as what a store could not read.</summary>
    internal void AddFinding(PortFinding finding)
    {
        _findings.Enqueue(finding);
        PortmapLog.Found(_log, finding.Kind, finding.Value, finding.Bound, finding.Remedy);
    }

    private void LogFindings()
    {
        if (_log.IsEnabled(LogLevel.Warning))
        {
            foreach (PortFinding finding in Diagnose())
            {
                PortmapLog.Found(_log, finding.Kind, finding.Value, finding.Bound, finding.Remedy);
            }
        }
    }
}
