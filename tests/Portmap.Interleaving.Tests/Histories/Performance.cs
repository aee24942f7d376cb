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
        RegistrySpecification specification = new(_scenario);
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
                    && other.Call.Kind is (CallKind.Acquire or CallKind.AcquireBoth or CallKind.AcquireAll or CallKind.AcquireBlock or CallKind.Register or CallKind.RegisterLease or CallKind.RegisterAgain or CallKind.ReportBindFailure)),
                MeetsBoth = calls.Where((other, j) => i != j && other.Call.Kind == CallKind.AcquireBoth && Overlap(one, other)
                    && (other.Call.Owner == one.Call.Owner || (one.Call.IsOfTwo && other.Call.Owner == one.Call.SecondOwner))).Any(),
                IsOfUncertainTime = calls.Where((other, j) => passes[j] && Overlap(one, other)).Any(),
            },
        })];
        Timed<Call>[] granted = [.. calls.Where(one => one.Call is { Succeeded: true, Kind: CallKind.Acquire or CallKind.AcquireOwn or CallKind.AcquireBoth or CallKind.AcquireAll or CallKind.AcquireBlock }
            || one.Call is { Succeeded: true, Kind: CallKind.ReportBindFailure } healed && healed.AnswerEpoch != healed.Epoch)
            .SelectMany(one => one.Call.Acquisitions.Select(acquisition => one with { Call = acquisition }))];
        foreach (Timed<Call> acquired in granted)
        {
            AddEndings(history, calls.Length, acquired);
        }

        AddHalves(history, calls.Length, granted);
        return history;
    }

    /// <summary>What is acquired for both protocols is two acquisitions.</summary>
    private void AddHalves(List<Timed<Call>> history, int calls, Timed<Call>[] granted)
    {
        AddHalvesTakenBack(history, calls, granted);
        for (int i = 0; i < calls; i++)
        {
            if (history[i].Call is { Kind: CallKind.AcquireBoth, Succeeded: true } both)
            {
                Call[] halves = [.. both.Acquisitions];
                history.Add(history[i] with { Call = halves[1] });
                history[i] = history[i] with { Call = halves[0] };
            }
        }
    }

    /// <summary>A lease that nobody was granted, and a lookup shows, is half of an acquisition for both
    /// protocols: it was in force for a moment, within one of those that its owner had begun by then,
    /// and ended: by itself, because its time was over, or because a process registered with
    /// it.</summary>
    private void AddHalvesTakenBack(List<Timed<Call>> history, int calls, Timed<Call>[] granted)
    {
        HashSet<(PortProtocol, long)> leases = [.. granted.Select(one => (one.Call.Protocol, one.Call.AnswerEpoch))];
        HashSet<(PortProtocol, long)> registered = [.. history.Take(calls).Where(one => one.Call.Changes).Select(one => (one.Call.Protocol, one.Call.AnswerEpoch))];
        Timed<Call>[] halves = [.. history.Take(calls)
            .Where(look => !look.Call.Changes && ShowsALease(look.Call) && !leases.Contains((look.Call.Protocol, look.Call.AnswerEpoch))
                && (look.Call.State == PortState.Reserved || !registered.Contains((look.Call.Protocol, look.Call.AnswerEpoch))))
            .GroupBy(look => (look.Call.Protocol, look.Call.AnswerOwner, look.Call.AnswerPort, look.Call.AnswerEpoch))
            .Select(looks => (Lease: looks.Key, Within: history.Take(calls)
                .Where(both => both.Call.Kind == CallKind.AcquireBoth && both.Call.Owner == looks.Key.AnswerOwner && both.Began < looks.Min(look => look.Ended)).ToArray()))
            .Where(half => half.Within.Length != 0)
            .Select(half => new Timed<Call>(
                new Call(CallKind.Acquire, half.Lease.AnswerOwner)
                {
                    Protocol = half.Lease.Protocol,
                    AnswerPort = half.Lease.AnswerPort,
                    AnswerEpoch = half.Lease.AnswerEpoch,
                    Succeeded = true,
                    IsOfUncertainTime = true,
                },
                half.Within.Min(both => both.Began),
                half.Within.Max(both => both.Ended)))];
        foreach (Timed<Call> half in halves)
        {
            history.Add(half);
            history.Add(half with { Call = half.Call with { Kind = CallKind.EndHalf, Epoch = half.Call.AnswerEpoch } });
        }
    }

    /// <summary>One in force, or one that is over, unless on a store, where any port may cool a while
    /// longer.</summary>
    private bool ShowsALease(in Call look) => look.State == PortState.Reserved || (look is { State: PortState.Cooling, AnswerProcess: -1 } && !_scenario.IsStored);

    private void AddEndings(List<Timed<Call>> history, int calls, Timed<Call> acquired)
    {
        CallKind? end = _played.EndOf(acquired.Call.Protocol, acquired.Call.AnswerEpoch);
        Call ending = new(CallKind.Expire, acquired.Call.Owner) { Protocol = acquired.Call.Protocol, Epoch = acquired.Call.AnswerEpoch, Succeeded = end == CallKind.Expire, IsOfUncertainTime = true };
        for (int i = 0; i < calls; i++)
        {
            if (history[i].Call.Kind == CallKind.Pass && acquired.Began < history[i].Ended)
            {
                history.Add(history[i] with { Call = ending with { Rivals = history[i].Call.Rivals } });
            }
        }

        if (end == CallKind.Take)
        {
            Timed<Call>[] takers = [.. history.Take(calls).Where(one => one.Call.Protocol == acquired.Call.Protocol &&
                one.Call.Kind is CallKind.Register or CallKind.RegisterLease or CallKind.RegisterAgain && one.Call.Port == acquired.Call.AnswerPort && one.Call.Owner != acquired.Call.Owner)];
            history.Add(new Timed<Call>(ending with { Kind = CallKind.Take }, takers.Min(one => one.Began), takers.Max(one => one.Ended)));
        }
        else if (end == CallKind.EndHalf)
        {
            history.Add(new Timed<Call>(ending with { Kind = CallKind.EndHalf }, acquired.Began, history.Max(one => one.Ended)));
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
