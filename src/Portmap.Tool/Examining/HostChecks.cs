using Portmap.Tool.Output;

namespace Portmap.Tool.Examining;

/// <summary>Every finding of the library but that of a state that is read, against this host and
/// given options.</summary>
/// <remarks>
/// A registry of our own is opened in memory, told of what the daemon serves, and asked for its
/// findings. It hands nothing out and holds no port.
/// </remarks>
internal static class HostChecks
{
    /// <param name="options">The daemon's options, as far as they were given.</param>
    /// <param name="entries">What a daemon serves; null when none could be asked.</param>
    /// <param name="isHere">Whether the processes that it names are those of this host.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<IReadOnlyList<Check>> FindAsync(PortRegistryOptions options, IReadOnlyList<PortEntry>? entries, bool isHere, CancellationToken cancellationToken)
    {
        await using PortRegistry registry = new(options);
        int untold = 0;
        string? blind = entries is null ? "there is no daemon whose entries can be looked at" : isHere ? null : MapChecks.NotHere;
        foreach (PortEntry entry in blind is null ? entries! : [])
        {
            // An exclusive port has no other listener, and its free addresses are held.
            if (entry.State == PortState.Bound && entry.Guarantee != PortGuarantee.Exclusive && entry.ProcessId is { } process)
            {
                untold += await TellAsync(registry, entry, process, cancellationToken) ? 0 : 1;
            }
        }

        IEnumerable<PortFinding> own = registry.Diagnose().Where(finding => finding.Kind != PortFindingKind.EphemeralOverlap);
        ILookup<PortFindingKind, PortFinding> found = own.Concat(await OverlapAsync(options, entries ?? [])).ToLookup(finding => finding.Kind);
        return
        [
            .. Enum.GetValues<PortFindingKind>()
                .Where(kind => kind != PortFindingKind.StateUnreadable)
                .SelectMany(kind => Of(kind, found[kind], blind, untold)),
        ];
    }

    /// <summary>How much the overlap matters goes by the ports that are in use: another registry is
    /// told of each, and believes it.</summary>
    private static async Task<IEnumerable<PortFinding>> OverlapAsync(PortRegistryOptions options, IReadOnlyList<PortEntry> entries)
    {
        PortRegistryOptions believing = new() { Ports = options.Ports, Exclude = options.Exclude, Probe = false, Guard = PortGuardMode.None, VerifyListening = false };
        await using PortRegistry registry = new(believing);
        PortSession session = registry.OpenSession(Environment.ProcessId);
        foreach (int port in entries.Where(entry => entry.State != PortState.Cooling && entry.Port != 0).Select(entry => entry.Port).Distinct())
        {
            session.TryRegister(new PortClaimRequest(Words.Text($"{port}"), port), out _, out _);
        }

        return registry.Diagnose().Where(finding => finding.Kind == PortFindingKind.EphemeralOverlap);
    }

    private static Check[] Of(PortFindingKind kind, IEnumerable<PortFinding> found, string? blind, int untold)
    {
        if (kind is PortFindingKind.StateMoved or PortFindingKind.StoreFailing or PortFindingKind.PassOverdue)
        {
            return [Check.Unknown(Words.Of(kind), "only the daemon knows; see its log or its health check")];
        }

        bool isOfEntries = kind is PortFindingKind.PortShared or PortFindingKind.PartlyServed;
        Check[] checks = [.. found.Select(Check.Of)];
        return checks.Length != 0 ? checks
            : isOfEntries && blind is not null ? [Check.Unknown(Words.Of(kind), blind)]
            : isOfEntries && untold != 0 ? [Check.Unknown(Words.Of(kind), Words.Text($"{untold} entries could not be held against the kernel's list from here"))]
            : [new Check(Words.Of(kind), CheckResult.Ok)];
    }

    private static async Task<bool> TellAsync(PortRegistry registry, PortEntry entry, int process, CancellationToken cancellationToken)
    {
        try
        {
            await registry.OpenSession(process).RegisterAsync(new PortClaimRequest(entry.Owner, entry.Port) { Protocol = entry.Protocol }, cancellationToken);
            return true;
        }
        catch (PortRefusedException)
        {
            return false;   // it has gone, or listens in another network: MapChecks says so
        }
    }
}
