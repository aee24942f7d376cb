using Portmap.TestKit.Histories;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>A scenario played once: each call is recorded with its answer and its two
/// moments.</summary>
internal sealed class Performance
{
    private readonly Scenario _scenario;
    private readonly IPlayed _played;
    private readonly List<Timed<Call>>[] _records;
    private long _moment;

    public Performance(Scenario scenario, IPlayed played)
    {
        _scenario = scenario;
        _played = played;
        _records = [.. Enumerable.Range(0, scenario.Threads.Count + 1).Select(_ => new List<Timed<Call>>())];
        Do(scenario.Before, _records[^1]);
    }

    /// <summary>What each thread does.</summary>
    public IReadOnlyList<Action> Acts => [.. _scenario.Threads.Select((calls, thread) => (Action)(() => Do(calls, _records[thread])))];

    /// <summary>What is wrong with what happened, or null.</summary>
    public string? Fault()
    {
        List<Timed<Call>> history = History();
        RegistrySpecification specification = new(_scenario.Ports, _scenario.Cools, _scenario.IsStored);
        string? fault = Linearizability.FindOrder(history, RegistryState.Empty, specification.TryApply) is null ? "no order of the calls explains their answers" : _played.Leak();
        return fault is null ? null : $"{fault}\n{_scenario}\n{string.Join('\n', history.OrderBy(one => one.Began).Select(one => $"  [{one.Began}, {one.Ended}] {one.Call}"))}";
    }

    /// <summary>Everything that was called and answered, with the endings that a call made on its
    /// way as calls of their own.</summary>
    private List<Timed<Call>> History()
    {
        Timed<Call>[] calls = [.. _records.SelectMany(record => record)];
        bool[] passes = [.. calls.Select(one => calls.Any(pass => pass.Call.Kind == CallKind.Pass && Overlap(one, pass)))];
        List<Timed<Call>> history = [.. calls.Select((one, i) => one with
        {
            Call = one.Call with
            {
                Rivals = calls.Where((other, j) => i != j && other.Call.Changes && Overlap(one, other)).Sum(other => other.Call.IsOfTwo ? 2 : 1),
                HasRivalOwners = Array.Exists(calls, other => (other.Call.Owner != one.Call.Owner || other.Call.IsOfTwo) && Overlap(one, other)
                    && other.Call.Kind is (CallKind.Acquire or CallKind.AcquireAll or CallKind.AcquireBlock or CallKind.Register or CallKind.RegisterLease)),
                IsOfUncertainTime = calls.Where((other, j) => passes[j] && Overlap(one, other)).Any(),
            },
        })];
        foreach (Timed<Call> acquired in calls.Where(one => one.Call.Kind is CallKind.Acquire or CallKind.AcquireOwn or CallKind.AcquireAll or CallKind.AcquireBlock && one.Call.Succeeded))
        {
            foreach (Call one in acquired.Call.Acquisitions)
            {
                AddEndings(history, calls.Length, acquired with { Call = one });
            }
        }

        return history;
    }

    private void AddEndings(List<Timed<Call>> history, int calls, Timed<Call> acquired)
    {
        CallKind? end = _played.EndOf(acquired.Call.AnswerEpoch);
        Call ending = new(CallKind.Expire, acquired.Call.Owner) { Epoch = acquired.Call.AnswerEpoch, Succeeded = end == CallKind.Expire, IsOfUncertainTime = true };
        for (int i = 0; i < calls; i++)
        {
            if (history[i].Call.Kind == CallKind.Pass && acquired.Began < history[i].Ended)
            {
                history.Add(history[i] with { Call = ending with { Rivals = history[i].Call.Rivals } });
            }
        }

        if (end == CallKind.Take)
        {
            Timed<Call>[] takers = [.. history.Take(calls).Where(one =>
                one.Call.Kind is CallKind.Register or CallKind.RegisterLease && one.Call.Port == acquired.Call.AnswerPort && one.Call.Owner != acquired.Call.Owner)];
            history.Add(new Timed<Call>(ending with { Kind = CallKind.Take }, takers.Min(one => one.Began), takers.Max(one => one.Ended)));
        }
    }

    private static bool Overlap(in Timed<Call> one, in Timed<Call> other) => one.Began < other.Ended && other.Began < one.Ended;

    private void Do(IReadOnlyList<Call> calls, List<Timed<Call>> record)
    {
        foreach (Call call in calls)
        {
            long began = Interlocked.Increment(ref _moment);
            if (_played.Do(call) is { } answered)
            {
                record.Add(new Timed<Call>(answered, began, Interlocked.Increment(ref _moment)));
            }
        }
    }
}
