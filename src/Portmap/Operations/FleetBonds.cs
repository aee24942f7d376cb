using System.Globalization;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The owners that this host holds alone in the fleet, and how it asks for them.</summary>
/// <remarks>
/// <code>
///   owner ──► bond, and its lease once that is granted        gone when nothing of the lease is in force
/// </code>
/// <para>I1. A bond is here before its lease can take effect, and until everything that came of the
/// lease has ended: whoever finds one of those looks at the bond (<see cref="Serves"/>), whose
/// clock says whether it counts. So it never answers for an owner that was lost, also when this
/// process has just woken and nobody has told it.</para>
/// <para>I2. Who finds that the owner was lost ends the lease and its registration there and then,
/// as the fleet's own word does.</para>
/// Progress: a look is wait-free and allocates nothing; ending is that of the table.
/// </remarks>
internal sealed class FleetBonds
{
    private readonly PortTable _table;
    private readonly RegistryClock _clock;
    private readonly Func<string, Task<(long Epoch, Func<bool> IsHeld, CancellationToken Lost, IAsyncDisposable Claim)>> _claim;
    private readonly FleetTies _ties = new();

    public FleetBonds(PortTable table, RegistryClock clock, Func<string, Task<(long Epoch, Func<bool> IsHeld, CancellationToken Lost, IAsyncDisposable Claim)>> claim)
    {
        _table = table;
        _clock = clock;
        _claim = claim;
    }

    /// <summary>Whether what the table shows of an owner counts: it is of this host only, or held
    /// in the fleet. Wait-free, but where this is the first to see that the owner was
    /// lost.</summary>
    public bool Serves(ReadOnlySpan<char> owner)
    {
        if (_ties.Find(owner) is not { } tie || tie.Bond.IsHeld)
        {
            return true;
        }

        Lose(tie);
        return false;
    }

    /// <summary>Claims an owner; the bond is known from now on.</summary>
    /// <exception cref="PortRefusedException">Somebody else has it, or the fleet does not
    /// answer.</exception>
    public async Task<FleetBond> ClaimAsync(string owner)
    {
        (long epoch, Func<bool> isHeld, CancellationToken lost, IAsyncDisposable claim) = await _claim(owner).ConfigureAwait(false);
        FleetBond bond = new(epoch, isHeld, claim);
        _ties.Put(new FleetTie(owner, bond));
        lost.UnsafeRegister(_ => Lose(owner, bond), null);
        return bond;
    }

    /// <summary>Ties a lease that was granted to its bond. It may be over, and the owner lost,
    /// already.</summary>
    public void Bind(FleetBond bond, ILease lease)
    {
        LeaseExtras.SetBond(ref lease.Extras, bond);
        if (_ties.Find(lease.Owner) is not { } tie || tie.Bond != bond)
        {
            return;   // given back meanwhile
        }

        tie.Lease = lease;
        Untie(tie);
        if (!bond.IsHeld)
        {
            Lose(tie);
        }
    }

    /// <summary>Nothing came of a claim.</summary>
    public void GiveBack(string owner, FleetBond bond)
    {
        if (_ties.Find(owner) is { } tie && tie.Bond == bond)
        {
            Remove(tie);
        }
    }

    /// <summary>A registration took effect. One that was on its way when the owner was lost ends
    /// here.</summary>
    public void Registered(string owner)
    {
        if (_ties.Find(owner) is { } tie && !tie.Bond.IsHeld)
        {
            Lose(tie);
        }
    }

    /// <summary>Something of an owner has ended.</summary>
    public void Ended(string owner)
    {
        if (_ties.Find(owner) is { } tie)
        {
            Untie(tie);
        }
    }

    /// <summary>Ends what was lost and not seen yet; before a look at everything.</summary>
    public void EndLost()
    {
        foreach (FleetTie tie in _ties.All)
        {
            if (!tie.Bond.IsHeld)
            {
                Lose(tie);
            }
        }
    }

    /// <summary>Ends everything.</summary>
    public void LoseAll()
    {
        foreach (FleetTie tie in _ties.All)
        {
            Lose(tie);
        }
    }

    private static PortRefusal Lost(ILease lease, FleetBond bond) => new(
        PortRefusalReason.LeaseEnded,
        () => string.Create(CultureInfo.InvariantCulture, $"The lease {lease.Epoch} of {lease.Owner} ended: this host lost the owner in the fleet, which it held by epoch {bond.Epoch}. Stop its workers, and acquire again."),
        lease.Owner, lease.Port, lease.Protocol);

    private void Lose(string owner, FleetBond bond)
    {
        if (_ties.Find(owner) is { } tie && tie.Bond == bond)
        {
            Lose(tie);   // else it was given back, and nothing is left that could end
        }
    }

    private void Lose(FleetTie tie)
    {
        tie.Bond.Lose();
        if (tie.Lease is not { } lease)
        {
            return;   // who acquires looks when it is granted, and meanwhile nothing is served
        }

        lease.SetOutcome(Lost(lease, tie.Bond));   // before the end of its claim, which would say less
        End(lease.Claim);
        End(lease.Twin);
        Untie(tie);
    }

    /// <summary>Ends what is in force of one half of a lease. A registration of it that waits for
    /// the disk still is ended when it takes effect (<see cref="Registered"/>).</summary>
    private void End(PortClaim? half)
    {
        if (half is null)
        {
            return;
        }

        long now = _clock.NowMs;
        _table.TryEnd(new ClaimView(half), ClaimEnd.Released, now);
        ClaimView served = _table.FindServed(half.Protocol, new ClaimView(half).Owner);
        if (served.IsOf(half.Epoch))
        {
            _table.TryEnd(served, ClaimEnd.Released, now);   // it went on over another session
        }
    }

    /// <summary>Gives the owner back when nothing of the lease is in force any more.</summary>
    private void Untie(FleetTie tie)
    {
        if (tie.Lease is { } lease && !lease.IsOpen && !IsInForce(lease, lease.Claim) && !IsInForce(lease, lease.Twin))
        {
            Remove(tie);
        }
    }

    /// <summary>What is pending counts only when it has used up the lease: else it fails without
    /// it, and nobody tells of that.</summary>
    private bool IsInForce(ILease lease, PortClaim? half) => half is not null && new ClaimView(half) switch
    {
        { Stage: ClaimStage.Reserved or ClaimStage.Bound } => true,
        { Cause: ClaimEnd.UsedUp } => _table.HasLive(_table.Key(half.Protocol, lease.Owner), half.Epoch, out _),
        _ => _table.FindServed(half.Protocol, lease.Owner).IsOf(half.Epoch),   // it went on over another session
    };

    private void Remove(FleetTie tie)
    {
        if (_ties.TryRemove(tie))
        {
            tie.Bond.GiveBack();
        }
    }
}
