namespace Portmap.TestKit.Histories;

/// <summary>Whether a history of overlapping calls could have happened one call at a
/// time.</summary>
/// <remarks>The search of Wing and Gong (Testing and Verifying Concurrent Objects, 1993) with the
/// memory of Lowe (Testing for linearizability, 2017): a call may come next when no other one ended
/// before it began; a pair of (calls done, state) that led nowhere is not tried again.</remarks>
public static class Linearizability
{
    /// <summary>The specification: whether a call may have had its answer in a state, and the state
    /// after it.</summary>
    public delegate bool TryApply<TState, TCall>(in TState state, in TCall call, out TState next);

    /// <summary>Finds an order of the calls that the specification allows.</summary>
    /// <param name="history">At most 64 calls.</param>
    /// <param name="initial">The state before the first one.</param>
    /// <param name="tryApply">The specification.</param>
    /// <returns>The places in the history, in that order; null when there is none.</returns>
    public static IReadOnlyList<int>? FindOrder<TState, TCall>(IReadOnlyList<Timed<TCall>> history, TState initial, TryApply<TState, TCall> tryApply)
        where TState : struct, IEquatable<TState>
    {
        ArgumentNullException.ThrowIfNull(history);
        ArgumentNullException.ThrowIfNull(tryApply);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(history.Count, 64);
        Search<TState, TCall> search = new(history, tryApply);
        return search.Run(initial, 0) ? search.Order : null;
    }

    private sealed class Search<TState, TCall>(IReadOnlyList<Timed<TCall>> history, TryApply<TState, TCall> tryApply)
        where TState : struct, IEquatable<TState>
    {
        private readonly HashSet<(ulong Done, TState State)> _ledNowhere = [];

        public List<int> Order { get; } = [];

        public bool Run(in TState state, ulong done)
        {
            if (Order.Count == history.Count)
            {
                return true;
            }

            long firstEnd = long.MaxValue;
            for (int i = 0; i < history.Count; i++)
            {
                firstEnd = (done & (1UL << i)) == 0 ? Math.Min(firstEnd, history[i].Ended) : firstEnd;
            }

            for (int i = 0; i < history.Count; i++)
            {
                if ((done & (1UL << i)) == 0 && history[i].Began < firstEnd && tryApply(in state, history[i].Call, out TState next))
                {
                    Order.Add(i);
                    if (!_ledNowhere.Contains((done | (1UL << i), next)) && Run(in next, done | (1UL << i)))
                    {
                        return true;
                    }

                    Order.RemoveAt(Order.Count - 1);
                }
            }

            _ledNowhere.Add((done, state));
            return false;
        }
    }
}
