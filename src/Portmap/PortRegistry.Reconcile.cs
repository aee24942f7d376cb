using Portmap.Guarding;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap;

// How the book is held against what the kernel says: before a registration is believed, and in a pass over all of them. Nothing here ever binds.
public sealed partial class PortRegistry
{
    /// <summary>How many passes on end a port must have no listener before its entry ends: one look may fall between two sockets of a server that reopens its own.</summary>
    internal const int EnoughSightings = 3;

    private readonly ForeignHolders _holders = new();
    private readonly Sightings<PortClaim> _silent = new(EnoughSightings);
    private int _reconciling;

    internal ListenReader Listeners { get; } = new();

    /// <summary>One pass: one read for all ports. Ends what a dead process left, and entries whose port nobody has listened on in enough passes.</summary>
    internal void Reconcile()
    {
        if (Interlocked.Exchange(ref _reconciling, 1) != 0)
        {
            return;   // a pass that finds another under way leaves it to it
        }

        try
        {
            NotePrograms();
            RefreshServed();
            List<PortClaim> silent = Silent();
            if (silent.Exists(claim => !claim.Session!.CheckAlive()))
            {
                SweepEndedSessions();
            }

            // Also those that wait for their process to come back: a suspected leak of an earlier run ends the same way.
            foreach (PortClaim claim in _silent.Note(silent.Where(claim => claim.Session!.IsServing || claim.Session.IsRecovered)))
            {
                PortSession session = claim.Session!;
                if (ListenerCheck.MayListenElsewhere(Reported(claim)) || session.TryPassOn(session.Watched))
                {
                    continue;
                }

                long now = NowMs;
                if (_table.TryEnd(claim, ClaimEnd.StoppedListening, now) && Listeners.Read(claim.Protocol).Listens(claim.Port))
                {
                    _table.TryMarkForeign(claim.Protocol, claim.Port, now);   // another one listens there now
                }
            }
        }
        catch (Exception exception)
        {
            ReportFailedPass(exception);   // a timer must go on
        }
        finally
        {
            Volatile.Write(ref _reconciling, 0);
        }
    }

    /// <summary>Whether what a process says is so: null, or why it is not believed.</summary>
    internal async ValueTask<PortRefusal?> VerifyAsync(PortSession session, string owner, int port, PortProtocol protocol)
    {
        if (port is < 1 or > 65_535 || protocol is not (PortProtocol.Tcp or PortProtocol.Udp))
        {
            return null;   // registering refuses it with the better reason
        }

        ListenTable ours = await Listeners.ReadAsync(protocol).ConfigureAwait(false);
        return ListenerCheck.Refuse(new(protocol, port, session.Process, Settings.VerifyProcess), owner, ours);
    }

    /// <summary>What an entry in force says; one that was registered by its socket must still have that.</summary>
    private ReportedListener Reported(PortClaim claim) =>
        new(claim.Protocol, claim.Port, claim.Session!.Process, Settings.VerifyProcess || claim.Session.Program is not null);

    /// <summary>The entries in force whose port nobody listens on, or not who should; by one read of each protocol that has any.</summary>
    private List<PortClaim> Silent()
    {
        ListenTable?[] listeners = new ListenTable?[2];
        Dictionary<ProcessIdentity, HashSet<long>?> sockets = [];
        List<PortClaim> silent = [];
        foreach (OwnerCell cell in _table.Index.Cells())
        {
            if (cell.Served() is { } claim)
            {
                ListenTable table = listeners[(int)claim.Protocol] ??= Listeners.Read(claim.Protocol);
                if (table.IsComplete && !ListenerCheck.Listens(Reported(claim), table, sockets))
                {
                    silent.Add(claim);
                }
            }
        }

        return silent;
    }

    /// <summary>Programs the host registered for may have forked workers since: their sockets and processes are noted while somebody is there to be asked.</summary>
    private void NotePrograms()
    {
        ListenTable?[] ours = new ListenTable?[2];
        foreach (OwnerCell cell in _table.Index.Cells())
        {
            if (cell.Served() is { Session.Program: { } program } claim)
            {
                ListenTable table = ProcessFiles.ForeignNetworkOf(claim.Session!.Process.Id) is { } folder
                    ? ListenTable.Read(claim.Protocol, folder)
                    : ours[(int)claim.Protocol] ??= ListenTable.Read(claim.Protocol);
                program.Note(claim.Protocol, claim.Port, table);
            }
        }
    }
}
