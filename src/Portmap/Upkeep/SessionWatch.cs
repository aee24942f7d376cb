using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>What follows when a session ends, is lost from sight, or goes on with another
/// process.</summary>
internal sealed class SessionWatch(RegistryParts parts, ClaimEvents events, Sweep sweep) : ISessionEvents
{
    public RegistryClock Clock => parts.Clock;

    public SimulatedHost? Host => parts.Settings.Host;

    public TimeSpan Grace => parts.Settings.DisconnectGrace;

    public bool WatchesProcesses => parts.Settings.Probe;

    public void Moved(SessionHolder session, int unwatched) => parts.NoteSessionMove(session, unwatched);

    public void Over() => sweep.Run();

    public void Died()
    {
        try
        {
            if (!parts.IsDisposed)
            {
                sweep.Run();
            }
        }
        catch (Exception exception)
        {
            Failed(exception);
        }
    }

    public void Hidden(SessionHolder session) => events.TellHidden(session);

    public void PassedOn(SessionHolder session, int from)
    {
        foreach (ServedProgram.Served port in session.Program!.Ports)
        {
            ClaimView served = parts.Table.FindServed(port.Protocol, session.Program.Owner);
            if (!ReferenceEquals(served.Holder, session))
            {
                continue;
            }

            parts.Journal?.TryQueueAgain(served);   // too late only when the registry ends
            PortEntry entry = parts.Entries.Of(served);
            parts.Log.PassedOn(entry, from);
            if (parts.Changes.IsRecording)
            {
                parts.Changes.Append(PortChangeKind.Registered, parts.Entries.FactsOf(served), living: served);
            }
        }
    }

    public bool Matters(PortClaim claim) => parts.Table.Matters(claim);

    public void Failed(Exception exception) => parts.Log.PassFailed(exception);
}
