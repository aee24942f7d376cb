namespace Portmap.Architecture.Tests.Reading;

/// <summary>
/// Knots: sets of nodes that all reach each other (Tarjan, "Depth-first search and linear graph
/// algorithms", 1972).
/// </summary>
internal static class Graph
{
    /// <summary>All knots of two nodes or more, the largest first, each sorted by name.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> Knots(IEnumerable<(string From, string To)> edges)
    {
        ILookup<string, string> next = edges.ToLookup(edge => edge.From, edge => edge.To);
        var knots = new List<IReadOnlyList<string>>();
        var index = new Dictionary<string, int>();
        var low = new Dictionary<string, int>();
        var stack = new Stack<string>();
        var open = new HashSet<string>();
        foreach (string node in next.Select(group => group.Key).Order(StringComparer.Ordinal))
        {
            if (!index.ContainsKey(node))
            {
                Visit(node);
            }
        }

        return [.. knots.OrderByDescending(knot => knot.Count).ThenBy(knot => knot[0], StringComparer.Ordinal)];

        void Visit(string node)
        {
            index[node] = low[node] = index.Count;
            stack.Push(node);
            open.Add(node);
            foreach (string to in next[node])
            {
                if (!index.TryGetValue(to, out int seen))
                {
                    Visit(to);
                    low[node] = Math.Min(low[node], low[to]);
                }
                else if (open.Contains(to))
                {
                    low[node] = Math.Min(low[node], seen);
                }
            }

            if (low[node] == index[node])
            {
                Close(node);
            }
        }

        void Close(string root)
        {
            var knot = new List<string>();
            string node;
            do
            {
                node = stack.Pop();
                open.Remove(node);
                knot.Add(node);
            }
            while (node != root);
            if (knot.Count > 1)
            {
                knot.Sort(StringComparer.Ordinal);
                knots.Add(knot);
            }
        }
    }
}
