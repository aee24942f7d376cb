using System.Diagnostics.CodeAnalysis;
using Portmap.Diagnostics;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What the operations of one registry work with. Set once, before the registry is
/// used.</summary>
internal sealed class RegistryParts
{
    private int _isDisposed;
    private long _lastPassMs;
    private FleetBonds? _fleet;
    private long _sessionMoves;
    private SessionHolder? _host;

    public required PortRegistrySettings Settings
    {
        get;
        init
        {
            field = value;
            Listeners = new ListenReader(value.Host);
            Holders = new ForeignHolders(value.Host);
            Unwatched = new UnwatchedSessions(isToldOfDeaths: value.Probe);
        }
    }

    public required RegistryClock Clock { get; init; }

    public required RegistryLog Log { get; init; }

    public required PortmapMetrics Metrics { get; init; }

    public required IPortGuard Guard { get; init; }

    public required StrategyList Strategies { get; init; }

    public required EpochSource Epochs { get; init; }

    public required ChangeLog Changes { get; init; }

    /// <summary>Makes the lease of a request, as its users hold it: for the session that acquires,
    /// or null for the host.</summary>
    public required Func<PortRequest, SessionHolder?, ILease> NewLease { get; init; }

    public PortTable Table { get; set; } = null!;

    public PortEntries Entries { get; set; } = null!;

    public EpochFence Fence { get; set; } = null!;

    public ISessionEvents Sessions { get; set; } = null!;

    /// <summary>Over which the host itself ends what owners have.</summary>
    public SessionHolder Host
    {
        get
        {
            if (Volatile.Read(ref _host) is { } host)
            {
                return host;
            }

            SessionHolder made = SessionHolder.OfHost(Sessions, processId: 0);
            return Interlocked.CompareExchange(ref _host, made, null) ?? made;   // one that was made for nothing holds nothing
        }
    }

    /// <summary>Null without a store.</summary>
    public ClaimJournal? Journal { get; set; }

    /// <summary>The ranges that requests ask for.</summary>
    public required AskedPools Pools { get; init; }

    /// <summary>What is held in the fleet; null while the registry is joined to none.</summary>
    public FleetBonds? Fleet => Volatile.Read(ref _fleet);

    public ForeignHolders Holders { get; private init; } = null!;

    public ListenReader Listeners { get; private init; } = null!;

    public long NowMs => Clock.NowMs;

    /// <summary>Whether a request may be given a port.</summary>
    public bool HandsOut(int port, in PortRequest request) =>
        (Settings.HandsOut(port) || Settings.Kept?.PortOf(request.Owner) == port) && (request.Ports is null || Pools.Find(request.Ports, out _).Contains(port));

    /// <summary>How often a session was opened or came to another state.</summary>
    public long SessionMoves => Volatile.Read(ref _sessionMoves);

    /// <summary>The sessions whose death passes have to look for.</summary>
    public UnwatchedSessions Unwatched { get; private init; } = null!;

    public void NoteSessionMove(SessionHolder session, int unwatched)
    {
        Unwatched.Note(session, unwatched);
        Interlocked.Increment(ref _sessionMoves);
    }

    /// <summary>When a pass ended last, or when the registry began.</summary>
    public long LastPassMs { get => Volatile.Read(ref _lastPassMs); set => Volatile.Write(ref _lastPassMs, value); }

    public bool AsksTheKernel => Settings.Probe && (OperatingSystem.IsLinux() || Settings.Host is not null);

    public bool IsDisposed => Volatile.Read(ref _isDisposed) != 0;

    /// <summary>An owner that the fleet's clock says is lost is ended before anybody is
    /// answered.</summary>
    public void LoseIfOver(string owner) => _ = Fleet?.Serves(owner);

    /// <summary>Joins a fleet; false when there is one.</summary>
    public bool TryJoin(FleetBonds fleet) => Interlocked.CompareExchange(ref _fleet, fleet, null) is null;

    /// <summary>Parts from it.</summary>
    public void Part(FleetBonds fleet) => Interlocked.CompareExchange(ref _fleet, null, fleet);

    /// <summary>Ends what is done for others; false when it had ended.</summary>
    public bool TryDispose() => Interlocked.Exchange(ref _isDisposed, 1) == 0;

    public void ThrowIfDisposed()
    {
        if (IsDisposed)
        {
            ThrowDisposed();
        }
    }

    /// <summary>Counts the refusal that a verb is about to answer with. A verb that is made of
    /// others leaves theirs to them, so that each is counted once.</summary>
    [return: NotNullIfNotNull(nameof(refusal))]
    public PortRefusal? Counted(PortRefusal? refusal)
    {
        if (refusal is not null)
        {
            Metrics.Refused(refusal.Reason);
        }

        return refusal;
    }

    /// <summary>The change took effect when the registry was being disposed, and comes to the disk
    /// no more.</summary>
    public void ThrowIfLate(ClaimView claim)
    {
        if (claim.IsLate && IsDisposed)
        {
            ThrowDisposed();
        }
    }

    /// <summary>There is a store and it is closed: a change would be true for this run
    /// only.</summary>
    public void ThrowIfEnded()
    {
        if (Journal is { HasEnded: true })
        {
            ThrowDisposed();
        }
    }

    private static void ThrowDisposed() => throw new ObjectDisposedException(nameof(PortRegistry));
}
