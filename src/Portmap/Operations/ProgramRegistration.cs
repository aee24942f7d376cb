using System.Diagnostics;
using Portmap.Guarding;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The host registers for a program: waits until a program listens, and registers for
/// it.</summary>
/// <remarks>The program is the process that was started and all that came from it
/// (<see cref="ProcessFamily"/>). Each look asks the kernel once for all who wait.</remarks>
internal static class ProgramRegistration
{
    /// <summary>Between two looks at first: an answer comes at most that much later than the
    /// listener.</summary>
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    /// <summary>Between two looks at a program that has not listened in
    /// <see cref="s_quick"/>.</summary>
    private static readonly TimeSpan s_slowPoll = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan s_quick = TimeSpan.FromSeconds(10);

    /// <summary>How long a lease without a number waits for a port inside the range, when there is
    /// one outside: what opens that first may be a debugger.</summary>
    private static readonly TimeSpan s_preferRange = TimeSpan.FromSeconds(10);

    /// <summary>How often nobody must be found before nobody is left.</summary>
    private const int MostLooks = 3;

    /// <summary>How many looks a death waits for its exit code, which a thread of the runtime
    /// fetches: 5 s, which only a host that is overloaded takes.</summary>
    private const int MostLooksForCode = 250;

    /// <summary>How many looks go by between two at all processes.</summary>
    private const int ThoroughEvery = 10;

    /// <summary>What to do where the program cannot be looked at.</summary>
    private const string Remedy = "Give the daemon a /proc of its own pid namespace and the right to read /proc/PID/fd of the program, or let the program sign in by itself";

    public static async Task<PortEntry> RunAsync(RegistryParts parts, ILease lease, Process process, CancellationToken cancellationToken)
    {
        int processId = process.Id;
        if (parts.Settings.Host is not null)
        {
            throw new InvalidOperationException($"The host of this registry is simulated ({nameof(PortRegistryOptions.SimulateHost)}), and process {processId} is a real one, whose sockets nobody would look for. Let the worker sign in over a session.");
        }

        using PeriodicTimer poll = new(s_poll, parts.Clock.Provider);   // before the first await: no tick of the clock is missed
        using WatchedProcess root = WatchedProcess.Open(processId, observer: null, out bool isDead);
        if (process.HasExited || isDead)
        {
            throw new PortRefusedException(parts.Counted(Refusals.ExitedFirst(lease, processId)));   // its number may be another's by now: it was not looked up, or for nothing
        }

        if (!ProcessIdentity.IsProcOurs)
        {
            throw new PortRefusedException(parts.Counted(ListenerRefusals.Unverifiable(lease.Owner, lease.Port, lease.Protocol, "/proc is not there, or of another pid namespace than this process", Remedy)));
        }

        ProcessFamily family = new(root.Identity);
        ServedProgram program = new(lease.Owner, family, parts.Pools.Find(lease.Request.Ports, out _), lease.Request.Guard == PortGuardMode.PassSocket);
        Wait wait = new(parts, lease, process, root, program);
        PortEntry entry = default;
        SessionHolder? session = null;
        foreach (PortProtocol protocol in lease.Twin is { } twin ? [lease.Claim.Protocol, twin.Protocol] : (PortProtocol[])[lease.Claim.Protocol])
        {
            PortEntry? registered = null;
            while (registered is null)
            {
                FoundListener found = await wait.ForListenerAsync(protocol, poll, cancellationToken).ConfigureAwait(false);
                session = session?.ProcessId == found.ProcessId && !session.IsOver ? session : SessionHolder.OfHost(parts.Sessions, found.ProcessId, program);
                bool isIts = !session.Process.IsKnown || family.Includes(session.ProcessId, likelyIsEnough: lease.Port != 0);
                PortClaim claim = HalfOf(lease, protocol);
                if (session.CheckAlive() && isIts && (claim.Port == 0 || claim.Port == found.Port))   // or it died or moved meanwhile, and another look tells who goes on
                {
                    registered = await Registration.RunAsync(
                        parts, session, new(lease.Owner, found.Port) { Epoch = claim.Epoch, Protocol = protocol }, cancellationToken).ConfigureAwait(false);
                }
            }

            entry = protocol == lease.Claim.Protocol ? registered.Value : entry;
        }

        return entry;
    }

    /// <summary>What the lease is in a protocol now: it may move while it is waited for.</summary>
    private static PortClaim HalfOf(ILease lease, PortProtocol protocol) => lease.Twin is { } twin && twin.Protocol == protocol ? twin : lease.Claim;

    /// <summary>The wait for one program.</summary>
    private sealed class Wait(RegistryParts parts, ILease lease, Process process, WatchedProcess root, ServedProgram program)
    {
        private readonly long _began = parts.NowMs;
        private int _looks;
        private int _looksAfterDeath;
        private string? _whyUnseen;

        public async Task<FoundListener> ForListenerAsync(PortProtocol protocol, PeriodicTimer poll, CancellationToken cancellationToken)
        {
            while (true)
            {
                // Before the look: what it left was there by then. Its exit code is known a little
                // later than its death; some processes have none for us.
                bool isRootGone = !root.IsAlive() && (process.HasExited || ++_looksAfterDeath > MostLooksForCode);
                ListenTable ours = await parts.Listeners.ReadAsync(protocol).ConfigureAwait(false);
                FoundListener found = program.Search.Find(protocol, lease.Port, ours, thorough: _looks++ % ThoroughEvery == 0);
                if (found.Sight == ListenerSight.Unseen && !root.Identity.IsKnown && root.IsAlive())
                {
                    found = new FoundListener(ListenerSight.Found, found.Port, root.Identity.Id);   // /proc hides it: the listener on its port is believed to be its
                }

                if (found.Sight == ListenerSight.Found && (lease.Port != 0 || program.Range.Contains(found.Port) || Waited >= PreferRangeMs))
                {
                    program.Note(protocol, found.Port, ours);
                    return found;
                }

                Refuse(found, HalfOf(lease, protocol), isRootGone, ours);
                if (Waited >= (long)s_quick.TotalMilliseconds)
                {
                    poll.Period = s_slowPoll;
                }

                await poll.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        private long Waited => parts.NowMs - _began;

        /// <summary>It has waited as long as a lease does, and the lease was not given
        /// more.</summary>
        private bool IsTimeOver(PortClaim claim) =>
            Waited >= LeaseTimes.TimeoutMs(parts, lease) && parts.NowMs >= LeaseTimes.EndsAtMs(parts, new ClaimView(claim));

        private long PreferRangeMs => Math.Min((long)s_preferRange.TotalMilliseconds, LeaseTimes.TimeoutMs(parts, lease) / 2);

        /// <summary>Throws when there is nothing left to wait for.</summary>
        private void Refuse(FoundListener found, PortClaim claim, bool isRootGone, ListenTable ours)
        {
            if (found.Sight == ListenerSight.Stranger)
            {
                throw new PortRefusedException(parts.Counted(Refusals.SomebodyElseListens(lease, root.Identity.Id, found.ProcessId)));
            }

            if (isRootGone && HasNobody())
            {
                throw new PortRefusedException(parts.Counted(Refusals.ExitedFirst(lease, root.Identity.Id)));
            }

            _whyUnseen = found.Sight switch
            {
                ListenerSight.Unreadable => found.Why,
                ListenerSight.Unseen => "somebody listens there, and no process that this one may look at has that socket",
                _ => null,
            };
            if (ours.IsUnreadable || IsTimeOver(claim) || new ClaimView(claim).Cause == ClaimEnd.Expired)
            {
                throw new PortRefusedException(parts.Counted(_whyUnseen is { } why
                    ? ListenerRefusals.Unverifiable(lease.Owner, lease.Port, lease.Protocol, why, Remedy)
                    : Refusals.NotListening(lease, root.Identity.Id, TimeSpan.FromMilliseconds(Waited))));
            }

            if (!lease.IsOpen)
            {
                throw new PortRefusedException(parts.Counted(Refusals.LeaseOver(lease)));
            }
        }

        /// <summary>Whether the program is gone, and not only the process that was started: a
        /// daemon leaves its parent and goes on.</summary>
        private bool HasNobody()
        {
            // Who has gone left its children to a reaper before it went: each time nobody is left,
            // these are looked for. One that is found may go at any moment and leave children in
            // turn, so somebody who was there a moment ago counts; the next look asks again.
            for (int i = 0; i < MostLooks; i++)
            {
                if (program.Family.Living().Count != 0)
                {
                    return false;
                }

                program.Family.Adopt(likelyIsEnough: EndedWell());
            }

            return program.Family.Living().Count == 0;
        }

        private bool EndedWell()
        {
            try
            {
                return process.HasExited && process.ExitCode == 0;
            }
            catch (InvalidOperationException)
            {
                return false;   // no child of ours: nobody tells
            }
        }
    }
}
