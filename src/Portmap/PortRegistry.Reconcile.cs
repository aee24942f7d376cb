using System.Globalization;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap;

// How the book is held against what the kernel says: before a registration is believed, and in a pass over all of them. Nothing here ever binds.
public sealed partial class PortRegistry
{
    /// <summary>How many passes on end a port must have no listener before its entry ends: one look may fall between two sockets of a server that reopens its own.</summary>
    internal const int EnoughSightings = 3;

    private readonly ListenReader _listeners = new();
    private readonly ForeignHolders _holders = new();
    private readonly Sightings _silent = new(EnoughSightings);
    private int _reconciling;

    internal ListenReader Listeners => _listeners;

    /// <summary>One pass: one read for all ports. Ends what a dead process left, and entries whose port nobody has listened on in enough passes.</summary>
    internal void Reconcile()
    {
        if (Interlocked.Exchange(ref _reconciling, 1) != 0)
        {
            return;   // a pass that finds another under way leaves it to it
        }

        try
        {
            List<PortClaim> silent = Silent();
            if (silent.Exists(claim => !claim.Session!.CheckAlive()))
            {
                SweepEndedSessions();
            }

            // Also those that wait for their process to come back: a suspected leak of an earlier run ends the same way.
            foreach (PortClaim claim in _silent.Note(silent.Where(claim => claim.Session!.IsServing || claim.Session.IsRecovered)))
            {
                if (!MayListenElsewhere(claim))
                {
                    _table.TryEnd(claim, ClaimEnd.StoppedListening, NowMs);
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

        ListenTable listeners = await _listeners.ReadAsync(protocol).ConfigureAwait(false);
        if (!listeners.IsComplete)
        {
            return Refusals.Unverifiable(owner, port, protocol, "/proc/net cannot be read whole");
        }

        if (!listeners.Listens(port))
        {
            return Refusals.NobodyListens(owner, port, protocol);
        }

        if (!Settings.VerifyProcess)
        {
            return null;
        }

        return ProcessSockets.Of(session.ProcessId) is not { } sockets
            ? Refusals.Unverifiable(owner, port, protocol, string.Create(CultureInfo.InvariantCulture, $"/proc/{session.ProcessId}/fd may not be read"))
            : listeners.Listens(port, sockets) ? null : Refusals.AnotherListens(owner, port, protocol, session.ProcessId);
    }

    /// <summary>The entries in force whose port nobody listens on, by one read of each protocol that has any.</summary>
    private List<PortClaim> Silent()
    {
        ListenTable?[] listeners = new ListenTable?[2];
        List<PortClaim> silent = [];
        foreach (OwnerCell cell in _table.Index.Cells())
        {
            if (cell.Served() is { } claim)
            {
                ListenTable table = listeners[(int)claim.Protocol] ??= _listeners.Read(claim.Protocol);
                if (table.IsComplete && !table.Listens(claim.Port))
                {
                    silent.Add(claim);
                }
            }
        }

        return silent;
    }

    /// <summary>Whether the process has a network of its own, where it listens, or cannot be looked at: what cannot be seen is not ended.</summary>
    private static bool MayListenElsewhere(PortClaim claim)
    {
        if (!claim.Session!.Process.IsKnown)
        {
            return true;
        }

        ListenTable its = ListenTable.Read(claim.Protocol, string.Create(CultureInfo.InvariantCulture, $"/proc/{claim.Session.ProcessId}/net"));
        return !its.IsComplete || its.Listens(claim.Port);
    }

    private void LogHolders() => _holders.LookUpWanted((protocol, port, holder) =>
    {
        if (holder is not null)
        {
            _log.ForeignHolder(protocol, port, holder);
        }
    });
}
