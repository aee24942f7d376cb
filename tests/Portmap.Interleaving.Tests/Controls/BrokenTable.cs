using Portmap.Interleaving.Tests.Histories;
using Portmap.Table;

namespace Portmap.Interleaving.Tests.Controls;

/// <summary>A small lock-free port table in the manner of ours, with one seeded fault. Frozen: it
/// exists to be caught.</summary>
/// <remarks>An owner has one claim at a time. A claim counts when its owner leads to it and its
/// state says so; ports and owners by their numbers.</remarks>
internal sealed class BrokenTable(SeededFault fault, int ports) : IPlayed
{
    private const int Pending = 0, Reserved = 1, Bound = 2, Ended = 3;

    private readonly Claim?[] _slots = new Claim?[ports + 1];
    private readonly Claim?[] _owners = new Claim?[3];
    private readonly long[] _leases = new long[3];
    private readonly HashSet<long> _taken = [];
    private int _bits = ((1 << ports) - 1) << 1;
    private long _lastEpoch;
    private int _flag;

    public Call? Do(Call call) => call.Kind switch
    {
        CallKind.Acquire => Acquire(call),
        CallKind.Register => Register(call),
        CallKind.Release => Release(call),
        CallKind.ReleaseLease => ReleaseLease(call),
        CallKind.FindPort => call with { AnswerPort = InForce(call.Owner) is { State: Bound } bound ? bound.Port : 0 },
        CallKind.FindByOwner => Found(call, InForce(call.Owner)),
        CallKind.FindByPort => Found(call, OnPort(call.Port)),
        _ => null,
    };

    public CallKind? EndOf(PortProtocol protocol, long leaseEpoch) => _taken.Contains(leaseEpoch) ? CallKind.Take : null;

    public string? Disagreement() =>
        Enumerable.Range(0, _owners.Length).Select(InForce).FirstOrDefault(claim => claim is not null && OnPort(claim.Port) != claim) is { } lost
            ? $"owner {lost.Owner} leads to port {lost.Port}, which leads elsewhere"
            : null;

    public string? Leak()
    {
        int held = Enumerable.Range(1, ports).Count(port => OnPort(port) is not null), free = System.Numerics.BitOperations.PopCount((uint)_bits);
        return held + free >= ports ? null : $"{held} ports are held and {free} can be acquired, of {ports}";
    }

    public void Dispose()
    {
    }

    private Call Acquire(Call call)
    {
        if (InForce(call.Owner) is { State: Reserved })
        {
            return call with { Reason = PortRefusalReason.AlreadyReserved };
        }

        while (fault == SeededFault.WaitsForAFlag && Interlocked.Exchange(ref _flag, 1) != 0)
        {
            Hook.At(Step.BeginPass);
        }

        Claim? claim = TakePort(call.Owner);
        Volatile.Write(ref _flag, 0);
        if (claim is null)
        {
            return call with { Reason = PortRefusalReason.Exhausted };
        }

        if (!TryPublish(claim, Reserved))
        {
            Volatile.Write(ref claim.State, Ended);
            Interlocked.Or(ref _bits, 1 << claim.Port);
            return call with { Reason = InForce(call.Owner) is null ? PortRefusalReason.Exhausted : PortRefusalReason.AlreadyReserved };
        }

        _leases[call.Owner] = claim.Epoch;
        return call with { Succeeded = true, AnswerPort = claim.Port, AnswerEpoch = claim.Epoch };
    }

    private Claim? TakePort(int owner)
    {
        for (int port = 1; port <= ports; port++)
        {
            Hook.At(Step.ClearBit);
            if ((Interlocked.And(ref _bits, ~(1 << port)) & (1 << port)) == 0)
            {
                continue;
            }

            Hook.At(Step.ReadSlot);
            Claim? seen = Volatile.Read(ref _slots[port]);
            if (seen is { State: not Ended } && fault != SeededFault.TrustsTheBitmap)
            {
                continue;
            }

            Claim claim = new(owner, port, Interlocked.Increment(ref _lastEpoch), -1);
            if (TrySet(port, seen, claim))
            {
                return claim;
            }
        }

        return null;
    }

    private Call Register(Call call)
    {
        while (true)
        {
            Hook.At(Step.ReadTop);
            Claim? seen = Volatile.Read(ref _slots[call.Port]);
            if (InForce(call.Owner) is { State: Bound } mine)
            {
                return mine.Process != call.Process ? call with { Reason = PortRefusalReason.Conflict } : call with { Succeeded = true, AnswerEpoch = mine.Epoch };
            }

            Hook.At(Step.ReadWord);
            int state = seen is null ? Ended : Volatile.Read(ref seen.State);
            if (state == Bound)
            {
                return call with { Reason = PortRefusalReason.Conflict };
            }

            // A process that listens wins over a lease, and over one under way.
            Hook.At(Step.EndClaim);
            if (state != Ended && Interlocked.CompareExchange(ref seen!.State, Ended, state) == Reserved)
            {
                _taken.Add(seen.Epoch);
            }

            if (seen is { State: not Ended })
            {
                continue;
            }

            Claim claim = new(call.Owner, call.Port, Interlocked.Increment(ref _lastEpoch), call.Process);
            if (fault == SeededFault.IndexBeforeSlot ? TryPublish(claim, Bound) && TrySet(call.Port, seen, claim) : TrySet(call.Port, seen, claim) && TryPublish(claim, Bound))
            {
                return call with { Succeeded = true, AnswerEpoch = claim.Epoch };
            }

            Volatile.Write(ref claim.State, Ended);
        }
    }

    private Call Release(Call call)
    {
        Claim? claim = InForce(call.Owner);
        if (claim is not null && claim.Process != call.Process)
        {
            return call with { Reason = PortRefusalReason.NotOwner };
        }

        End(claim);
        return call with { Succeeded = true };
    }

    private Call ReleaseLease(Call call)
    {
        call = call with { Epoch = _leases[call.Owner] };
        Hook.At(Step.ReadTop);
        Claim? claim = InForce(call.Owner);
        if (claim is null || claim.Epoch == call.Epoch || fault == SeededFault.ReleasesWithoutEpoch)
        {
            End(claim);
            return call with { Succeeded = true };
        }

        return claim.Epoch > call.Epoch ? call with { Reason = PortRefusalReason.Stale } : call with { Succeeded = true };
    }

    private void End(Claim? claim)
    {
        Hook.At(Step.EndClaim);
        if (claim is not null && Interlocked.Exchange(ref claim.State, Ended) != Ended && fault != SeededFault.ForgetsTheBit)
        {
            Interlocked.Or(ref _bits, 1 << claim.Port);
        }
    }

    private bool TrySet(int port, Claim? seen, Claim claim)
    {
        Hook.At(Step.SetSlot);
        if (fault == SeededFault.CheckThenWrite)
        {
            Volatile.Write(ref _slots[port], claim);
            return true;
        }

        return ReferenceEquals(Interlocked.CompareExchange(ref _slots[port], claim, seen), seen);
    }

    private bool TryPublish(Claim claim, int state)
    {
        Hook.At(Step.ReadTop);
        Claim? top = Volatile.Read(ref _owners[claim.Owner]);
        Hook.At(Step.PushTop);
        if (top is { State: not Ended } || !ReferenceEquals(Interlocked.CompareExchange(ref _owners[claim.Owner], claim, top), top))
        {
            return false;
        }

        Hook.At(Step.TakeEffect);
        return Interlocked.CompareExchange(ref claim.State, state, Pending) == Pending;
    }

    private Claim? InForce(int owner)
    {
        Hook.At(Step.ReadTop);
        return Volatile.Read(ref _owners[owner]) is { } claim && Volatile.Read(ref claim.State) is Reserved or Bound ? claim : null;
    }

    private Claim? OnPort(int port)
    {
        Hook.At(Step.ReadSlot);
        return Volatile.Read(ref _slots[port]) is { } claim && InForce(claim.Owner) == claim ? claim : null;
    }

    private static Call Found(Call call, Claim? claim) => claim is null ? call : call with
    {
        State = claim.State == Bound ? PortState.Bound : PortState.Reserved,
        AnswerOwner = claim.Owner,
        AnswerPort = claim.Port,
        AnswerEpoch = claim.Epoch,
        AnswerProcess = claim.Process,
    };

    private sealed class Claim(int owner, int port, long epoch, int process)
    {
        public int State = Pending;

        public int Owner { get; } = owner;

        public int Port { get; } = port;

        public long Epoch { get; } = epoch;

        public int Process { get; } = process;
    }
}
