namespace Portmap.Table;

/// <summary>The party behind registrations: one process over one connection, as far as the table
/// has to know it.</summary>
/// <remarks> Its state is one word that all its claims share, so that a death makes all of them
/// invisible in one step:
/// <code>
///   Connected ──► Grace (served) ──► Over        the connection ended; process alive; nobody came back in time
///       │  └────► Hidden (not served) ─► Over    the same with a process nothing is known about
///       │         Recovered (not served)         read from the store: it never had a connection to this run
///       │                 Recovered ─► Over      the same of an unknown process that does not come back in time
///       └──────────────┴────────► Dead           the process died
/// </code>
/// <list type="bullet">
/// <item>I1. The word moves only to the right (CAS); Over and Dead are final.</item>
/// <item>I2. Lookups read it after the claim (<see cref="IsServing"/>), so a claim whose holder is
/// Hidden, Over or Dead is absent from that read on.</item>
/// </list>
/// Progress: wait-free; <see cref="TryMoveTo"/> is repeated at most once for each state.
/// </remarks>
internal abstract class ClaimHolder
{
    private int _state;

    protected ClaimHolder(HolderState state) => _state = (int)state;

    public bool IsServing => State <= HolderState.Grace;

    public bool IsConnected => State == HolderState.Connected;

    public bool IsDead => State == HolderState.Dead;

    /// <summary>Its registrations are to be ended.</summary>
    public bool IsOver => State >= HolderState.Over;

    /// <summary>Read from the store; its process has not signed in again yet.</summary>
    public bool IsRecovered => State == HolderState.Recovered;

    /// <summary>Why its registrations end once it is over.</summary>
    public ClaimEnd EndCause => IsDead ? ClaimEnd.Died : ClaimEnd.Disconnected;

    protected HolderState State
    {
        get
        {
            Hook.At(Step.ReadSession);
            return (HolderState)Volatile.Read(ref _state);
        }
    }

    /// <summary>Whether both are one process, so that their claims may share a port.</summary>
    public abstract bool IsSameProcess(ClaimHolder other);

    /// <summary>The CAS that publishes a new state to the lookups of all its claims at once; false
    /// when it is there or further.</summary>
    protected bool TryMoveTo(HolderState state)
    {
        while (true)
        {
            HolderState now = State;
            if (now >= state || (state == HolderState.Hidden && now == HolderState.Grace))
            {
                return false;
            }

            Hook.At(Step.MoveSession);
            if (Interlocked.CompareExchange(ref _state, (int)state, (int)now) == (int)now)
            {
                return true;
            }
        }
    }
}
