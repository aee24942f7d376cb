namespace Portmap.Concurrency.Tests.Audit;

/// <summary>Looks at a book from outside, after all threads have stopped, and lists everything that
/// must not be.</summary>
internal static class PortBookAudit
{
    public static async Task<List<string>> FindFaultsAsync(IPortBook book, IReadOnlyList<string> owners)
    {
        IReadOnlyList<Holding> holdings = book.Holdings();
        List<string> faults = [];
        FindDoubles(holdings, faults);
        FindDisagreement(book, holdings, owners, faults);
        FindLeaks(holdings, await book.HistoryAsync(), faults);
        return faults;
    }

    private static void FindDoubles(IReadOnlyList<Holding> holdings, List<string> faults)
    {
        foreach (IGrouping<(PortProtocol, int Port), Holding> port in holdings.Where(h => h.Port != 0).GroupBy(h => (h.Protocol, h.Port)))
        {
            if (port.Select(h => h.Process).Distinct().Count() > 1 || (!port.First().IsBound && port.Count() > 1))
            {
                faults.Add($"port {port.Key.Port} is held twice: {string.Join(", ", port)}");
            }
        }

        foreach (IGrouping<(PortProtocol, string Owner, bool), Holding> owner in holdings.GroupBy(h => (h.Protocol, h.Owner, h.IsBound)))
        {
            if (owner.Count() > 1)
            {
                faults.Add($"owner {owner.Key.Owner} holds two: {string.Join(", ", owner)}");
            }
        }

        foreach (IGrouping<(PortProtocol, long Epoch), Holding> epoch in holdings.GroupBy(h => (h.Protocol, h.Epoch)).Where(e => e.Count() > 1))
        {
            faults.Add($"epoch {epoch.Key.Epoch} was given twice: {string.Join(", ", epoch)}");
        }
    }

    private static void FindDisagreement(IPortBook book, IReadOnlyList<Holding> holdings, IReadOnlyList<string> owners, List<string> faults)
    {
        Dictionary<string, int> bound = [];
        foreach (Holding holding in holdings.Where(h => h.IsBound))
        {
            bound[holding.Owner] = holding.Port;
        }

        foreach (string owner in owners)
        {
            int found = book.TryGetPort(owner, out int port) ? port : 0;
            if (found != bound.GetValueOrDefault(owner))
            {
                faults.Add($"lookup sends {owner} to {found}, the list to {bound.GetValueOrDefault(owner)}");
            }
        }

        foreach (int port in Enumerable.Range(StressPlan.FirstPort, StressPlan.Ports + 1))
        {
            IEnumerable<Holding> byPort = book.OwnersOn(port).OrderBy(h => h.Owner, StringComparer.Ordinal);
            IEnumerable<Holding> listed = holdings.Where(h => h.Port == port).OrderBy(h => h.Owner, StringComparer.Ordinal);
            if (!byPort.SequenceEqual(listed))
            {
                faults.Add($"port {port} leads to [{string.Join(", ", byPort)}], the list has [{string.Join(", ", listed)}]");
            }
        }
    }

    /// <summary>The conservation law: acquired − ended = held, claim by claim.</summary>
    /// <remarks>An end that was faster than what it ends comes alone (<see cref="PortChange"/>), so
    /// a claim may be told of by its end only.</remarks>
    private static void FindLeaks(IReadOnlyList<Holding> holdings, IReadOnlyList<HistoryEvent> history, List<string> faults)
    {
        ILookup<(PortProtocol, string, long), HistoryEvent> stories = history.ToLookup(step => (step.Protocol, step.Owner, step.Epoch));
        HashSet<(PortProtocol, string, long)> held = [.. holdings.Select(h => (h.Protocol, h.Owner, h.Epoch))];
        foreach (IGrouping<(PortProtocol, string, long), HistoryEvent> story in stories)
        {
            int endings = story.Count(step => step.Ended);
            string? fault = endings switch
            {
                > 1 => "ended twice",
                1 when held.Contains(story.Key) => "has ended and is held",
                0 when !held.Contains(story.Key) => "was lost: begun, not ended, not held",
                _ => null,
            };
            if (fault is not null)
            {
                faults.Add($"{story.Key} {fault}: {string.Join(", ", story.Select(step => step.What))}");
            }
        }

        faults.AddRange(held.Where(claim => !stories.Contains(claim)).Select(claim => $"{claim} is held and never began"));
    }
}
