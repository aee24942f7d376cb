namespace Portmap.Operations;

/// <summary>What a registry holds that lookups do not show, counted when somebody
/// collects.</summary>
internal static class RegistryGauges
{
    public static void Add(RegistryParts parts)
    {
        parts.Metrics.AddGauge("portmap.leases.open", "{lease}", "Leases that wait for their process", () => parts.IsDisposed ? null : OpenLeases(parts));
        parts.Metrics.AddGauge("portmap.sessions", "{session}", "Connections of processes that serve something", () => parts.IsDisposed ? null : Sessions(parts));
        if (parts.Journal is { } journal)
        {
            parts.Metrics.AddGauge("portmap.store.queue", "{fact}", "Facts that are not on disk yet", () => parts.IsDisposed ? null : journal.QueueLength);
        }
    }

    private static long OpenLeases(RegistryParts parts)
    {
        long open = 0;
        foreach (Table.OwnerView owner in parts.Table.Owners())
        {
            open += owner.Lease.IsNone ? 0 : 1;
        }

        return open;
    }

    private static long Sessions(RegistryParts parts)
    {
        HashSet<SessionHolder> sessions = [];
        foreach (Table.OwnerView owner in parts.Table.Owners())
        {
            if (SessionHolder.Of(owner.Served) is { IsServing: true } session)
            {
                sessions.Add(session);
            }
        }

        return sessions.Count;
    }
}
