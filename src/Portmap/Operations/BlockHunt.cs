using System.Numerics;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>How several requests find ports in a row: the first gets the lowest.</summary>
/// <remarks>
/// <code>
///   1. a block whose place is required or preferred, by any request       that one; a required one or none
///   2. from the first port that the first strategy names, wrapping        among the ports the kernel never hands out by itself, then the others, then across
///   3. what is cooled and held back by its hint
///   4. with what cools (unless the options forbid it), strangers' ports whose time is over, and where closed connections linger
/// </code>
/// A run is found in the maps of free ports: 64 places at once, each by the bits of all requests,
/// so that it takes one pass over the words whatever the range looks like. Where all requests ask
/// alike, the bits are read once and laid over themselves, twice as far with each step. The maps are hints and
/// the table decides; a block that fails is given back, the bit of the port at which it failed is
/// taken off, and the search goes on behind that port.
/// </remarks>
internal sealed class BlockHunt(RegistryParts parts, Acquisition[] members)
{
    private PortAvailability _found;   // why the last port could not be had
    private bool _hasMet;   // there was a run in the maps
    private HashSet<int>? _denied;   // the ports that the system did not let us bind
    private readonly bool _isAlike = AreAlike(members);

    private PortRange Range => parts.Settings.Ports.Span;

    /// <summary>No other ports will do.</summary>
    private PortHunt.Terms Last => new(IsInsisted: true, parts.Settings.ReuseCooling);

    /// <summary>Looks at all owners, finds a block and makes the pending claims.</summary>
    public Answer Find(long now)
    {
        int preferred = 0, from = 0, requiredBy = 0;
        int? required = null;
        for (int i = 0; i < members.Length; i++)
        {
            Answer looked = members[i].LookAtOwners(now);
            if (looked.Kind != AnswerKind.Done)
            {
                return looked.Refusal is { } refusal ? refusal.Of(i, members.Length) : looked;
            }

            ref PortHunt hunt = ref members[i].Hunt;
            if (Ask(ref hunt, i, ref from) is { } wrong)
            {
                return wrong;
            }

            int first = hunt.Wanted(now, out bool isRequired) - i;
            if (isRequired && required is { } other && first != other)
            {
                return GroupRefusals.NotInARow(hunt.Request, other + i).Of(i, members.Length);
            }

            (required, requiredBy) = isRequired ? (first, i) : (required, requiredBy);
            preferred = preferred == 0 && first > -i ? first : preferred;
        }

        if (required is { } row)
        {
            return row > 0 && row + members.Length - 1 <= 65_535 ? TakeRequired(row, now)
                : GroupRefusals.PastTheLastPort(members[requiredBy].Hunt.Request, row, members.Length).Of(requiredBy, members.Length);
        }

        if (preferred > 0)
        {
            if (TryTake(preferred, new(IsInsisted: true, TakesCooling: false), now) < 0)
            {
                return Grant();
            }

            if (_found == PortAvailability.Unwritten)
            {
                return Answer.Wait(AwaitedFact.OfPort);
            }
        }

        return Search(from, now) ? Grant() : Exhausted();
    }

    /// <summary>Asks each strategy, as it may leave the number to the process; the first one says
    /// where to begin.</summary>
    private PortRefusal? Ask(ref PortHunt hunt, int i, ref int from)
    {
        int picked = hunt.PickFirst(out Exception? failure);
        from = i == 0 ? picked : from;
        return failure is not null ? Refusals.StrategyFailed(hunt.Request, parts.Strategies.NameOf(hunt.Strategy), failure).Of(i, members.Length)
            : picked == PortSearch.ProcessBrings ? GroupRefusals.NeedsNumbers(hunt.Request, parts.Strategies.NameOf(hunt.Strategy)).Of(i, members.Length)
            : null;
    }

    private Answer TakeRequired(int first, long now)
    {
        int failed = TryTake(first, Last, now);
        while (failed >= 0 && InsistedPort.EndDeadHolders(parts, members[failed].Hunt.Request with { Previous = first + failed }, now))
        {
            failed = TryTake(first, Last, now);   // each turn has ended a registration
        }

        if (failed < 0)
        {
            return Grant();
        }

        failed = Blamed(first, failed, now);
        PortRequest wanted = members[failed].Hunt.Request with { Previous = first + failed };
        return _found == PortAvailability.Unwritten
            ? Answer.Wait(AwaitedFact.OfPort)
            : InsistedPort.Refuse(parts, wanted, _found).Of(failed, members.Length);
    }

    /// <summary>Of the requests whose port cannot be had, one that requires it before one that only
    /// lies in the row.</summary>
    private int Blamed(int first, int failed, long now)
    {
        for (int i = members.Length - 1; i >= 0; i--)
        {
            ref PortHunt hunt = ref members[i].Hunt;
            if (hunt.Wanted(now, out bool isRequired) == first + i && isRequired && hunt.LookAt(first + i, Last, now) is not PortAvailability.Free and var found)
            {
                (failed, _found) = (i, found);
            }
        }

        return failed;
    }

    private bool Search(int from, long now)
    {
        if (members.Length == 0)
        {
            return true;
        }

        parts.Table.DrainDue(now);
        _hasMet = false;
        PortRange[][] tiers = members[0].Hunt.Pool.Tiers;
        foreach (PortRange[] tier in tiers)
        {
            foreach (PortRange part in tier)
            {
                if (SearchFrom(from, part, default, now))
                {
                    return true;
                }
            }
        }

        if (Array.Exists(tiers, tier => Array.Exists(tier, part => SearchAcross(part, now))))
        {
            return true;
        }

        bool anyFreed = parts.Table.FreeCooled(PortProtocol.Tcp, now);
        anyFreed |= parts.Table.HasUdp && parts.Table.FreeCooled(PortProtocol.Udp, now);
        return (anyFreed && SearchFrom(from, Range, default, now))
            || ((_hasMet || HasWaiting()) && SearchFrom(from, Range, Last, now));
    }

    /// <summary>Looks for blocks that begin in a part of the ports and end behind it.</summary>
    private bool SearchAcross(PortRange part, long now) =>
        Search(Math.Max(part.First, part.Last - members.Length + 2), Math.Min(part.Last + members.Length - 1, Range.Last), default, now);

    private bool HasWaiting()
    {
        foreach (ref Acquisition member in members.AsSpan())
        {
            if (member.Hunt.HasWaiting)
            {
                return true;
            }
        }

        return false;
    }

    private bool SearchFrom(int from, PortRange range, PortHunt.Terms terms, long now)
    {
        from = Math.Clamp(from, range.First, range.Last);
        return Search(from, range.Last, terms, now) || (from > range.First && Search(range.First, Math.Min(range.Last, from + members.Length - 2), terms, now));
    }

    /// <summary>Looks for blocks that lie between two ports, both included.</summary>
    private bool Search(int from, int last, PortHunt.Terms terms, long now)
    {
        int end = last - members.Length + 2;   // behind the last place where one may begin
        for (int place = from; place < end;)
        {
            place = FindRun(place, end, terms.IsInsisted);
            if (place >= end)
            {
                return false;
            }

            int failed = TryTake(place, terms, now);
            if (failed < 0)
            {
                return true;
            }

            _hasMet = true;
            members[failed].Hunt.PassOver(place + failed);
            place += failed + 1;
        }

        return false;
    }

    /// <summary>The first place from one on whose ports are all in the maps, or the end.</summary>
    private int FindRun(int place, int end, bool alsoWaiting)
    {
        ref readonly PortHunt first = ref members[0].Hunt;
        ulong next = _isAlike ? first.Window(place, alsoWaiting) : 0;
        for (; place < end; place += 64)
        {
            ulong places = end - place >= 64 ? ulong.MaxValue : (1UL << (end - place)) - 1;
            if (_isAlike)
            {
                ulong here = next;
                next = first.Window(place + 64, alsoWaiting);
                places &= Runs(here, next, members.Length);
            }
            else
            {
                for (int i = 0; i < members.Length && places != 0; i++)
                {
                    places &= members[i].Hunt.Window(place + i, alsoWaiting);
                }
            }

            if (places != 0)
            {
                return place + BitOperations.TrailingZeroCount(places);
            }
        }

        return end;
    }

    /// <summary>Where runs begin: of what is left after each step, so many bits in a row were
    /// set.</summary>
    /// <param name="low">The 64 places.</param>
    /// <param name="high">The 64 behind them.</param>
    /// <param name="length">How long a run is, 1 to 65.</param>
    private static ulong Runs(ulong low, ulong high, int length)
    {
        for (int has = 1; has < length && low != 0;)
        {
            int step = Math.Min(has, length - has);
            low &= (low >> step) | (high << (64 - step));
            high &= high >> step;
            has += step;
        }

        return low;
    }

    /// <summary>Whether all ask for the same protocol and ports; then one look at the maps does for
    /// all.</summary>
    private static bool AreAlike(Acquisition[] members)
    {
        foreach (ref Acquisition member in members.AsSpan())
        {
            if (member.Hunt.Request.Protocol != members[0].Hunt.Request.Protocol || !ReferenceEquals(member.Hunt.Pool, members[0].Hunt.Pool))
            {
                return false;
            }
        }

        return members.Length is > 0 and <= 65;
    }

    /// <summary>Takes a block, from its lowest port upwards.</summary>
    /// <returns>-1, or the number of the request whose port could not be had: the last such one, as
    /// far as that can be told without taking any.</returns>
    private int TryTake(int first, PortHunt.Terms terms, long now)
    {
        for (int i = members.Length - 1; i >= 0; i--)
        {
            _found = members[i].Hunt.LookAt(first + i, terms, now);
            if (_found != PortAvailability.Free)
            {
                return i;
            }
        }

        for (int i = 0; i < members.Length; i++)
        {
            _found = members[i].Hunt.TakeAt(first + i, terms, now);
            if (_found == PortAvailability.Denied)
            {
                (_denied ??= []).Add(first + i);
            }

            if (_found != PortAvailability.Free)
            {
                for (int taken = 0; taken < i; taken++)
                {
                    members[taken].Undo(now);
                }

                return i;
            }
        }

        return -1;
    }

    private Answer Grant()
    {
        foreach (ref Acquisition member in members.AsSpan())
        {
            member.Grant();
        }

        return Answer.Done;
    }

    private Answer Exhausted()
    {
        bool isTcp = false, isUdp = false;
        foreach (ref Acquisition member in members.AsSpan())
        {
            isTcp |= member.Hunt.Request.Protocol != PortProtocol.Udp;
            isUdp |= member.Hunt.Request.Protocol != PortProtocol.Tcp;
        }

        return GroupRefusals.NoBlock(parts, members[0].Hunt.Request, members.Length, (isTcp, isUdp), _denied);
    }
}
