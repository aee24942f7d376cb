using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>Holds the book against what the kernel says, in a pass over all entries. Never
/// binds.</summary>
/// <remarks>
/// <code>
///   1. by one read for all ports, in one walk over all entries in force:
///      note the sockets of programs       while somebody is there to be asked
///      note the addresses that are served
///      find who does not listen
///   2. sweep what a dead process left
///   3. end what was found in enough passes on end, unless a sibling goes on
/// </code>
/// </remarks>
internal sealed class Reconciler(RegistryParts parts, Sweep sweep)
{
    /// <summary>How many passes on end a port must have no listener before its entry ends: one look
    /// may fall between two sockets of a server that reopens its own.</summary>
    public const int EnoughSightings = 3;

    private readonly Sightings<PortClaim> _silent = new(EnoughSightings);
    private int _isUnderWay;

    /// <summary>One pass. One that finds another under way leaves it to it.</summary>
    public void Run()
    {
        if (Interlocked.Exchange(ref _isUnderWay, 1) != 0)
        {
            return;
        }

        long? began = parts.Metrics.BeginPass(parts.Clock.Provider);
        try
        {
            List<ClaimView> silent = Walk(new ListenersNow(parts.Settings.Host, parts.Listeners));
            bool isAnyOver = false;
            foreach (ClaimView claim in silent)
            {
                isAnyOver |= !SessionHolder.Of(claim)!.CheckAlive();   // each: of a dead one that was not looked at a silent one would be seen
            }

            if (isAnyOver)
            {
                sweep.Run();
            }

            // Also those that wait for their process to come back: a suspected leak of an earlier
            // run ends the same way.
            foreach (PortClaim claim in _silent.Note(silent.Where(claim => claim.Holder is { IsServing: true } or { IsRecovered: true }).Select(claim => claim.Claim!)))
            {
                EndUnlessGoesOn(new ClaimView(claim));
            }
        }
        catch (Exception exception)
        {
            parts.Log.PassFailed(exception);   // a timer must go on
        }
        finally
        {
            parts.Metrics.EndPass(began, parts.Clock.Provider, "Reconcile");
            Volatile.Write(ref _isUnderWay, 0);
        }
    }

    /// <summary>One walk over all entries in force, which takes most of the pass: notes sockets of
    /// programs and addresses.</summary>
    /// <returns>The entries whose port nobody listens on, or not who should.</returns>
    private List<ClaimView> Walk(ListenersNow now)
    {
        Dictionary<ProcessIdentity, HashSet<long>?> sockets = [];
        List<ClaimView> silent = [];
        foreach (OwnerView owner in parts.Table.Owners())
        {
            ClaimView claim = owner.Served;
            if (SessionHolder.Of(claim) is not { } session)
            {
                continue;
            }

            ListenTable table = now.Table(claim.Protocol);
            NoteProgram(claim, session, table);
            if (parts.AsksTheKernel)
            {
                AddressReview.Refresh(parts, claim, now);
            }

            if (table.IsComplete && !ListenerCheck.Listens(Reported(claim), table, sockets))
            {
                silent.Add(claim);
            }
        }

        return silent;
    }

    /// <summary>A program the host registered for may have forked workers since: their sockets and
    /// processes are noted.</summary>
    private static void NoteProgram(ClaimView claim, SessionHolder session, ListenTable ours)
    {
        if (session.Program is { } program)
        {
            program.Note(claim.Protocol, claim.Port, ProcessFiles.ForeignNetworkOf(session.ProcessId) is { } folder ? ListenTable.Read(claim.Protocol, folder) : ours);
        }
    }

    /// <summary>What an entry in force says; one that was registered by its socket must still have
    /// that.</summary>
    private ReportedListener Reported(ClaimView claim)
    {
        SessionHolder session = SessionHolder.Of(claim)!;
        return new(claim.Protocol, claim.Port, session.Process, parts.Settings.VerifyProcess || session.Program is not null);
    }

    private void EndUnlessGoesOn(ClaimView claim)
    {
        SessionHolder session = SessionHolder.Of(claim)!;
        if (ListenerCheck.MayListenElsewhere(Reported(claim), parts.Listeners) || session.TryPassOn(session.Watched))
        {
            return;
        }

        long now = parts.NowMs;
        if (parts.Table.TryEnd(claim, ClaimEnd.StoppedListening, now) && parts.Listeners.Read(claim.Protocol).Listens(claim.Port))
        {
            parts.Table.TryMarkForeign(claim.Protocol, claim.Port, now);   // another one listens there now
        }
    }
}
